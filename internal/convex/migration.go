package convex

import (
	"errors"
	"time"

	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// databasePatience is how long a backend that answers may say nothing about its
// database: RUST_LOG can hide it.
const databasePatience = 5 * time.Second

// follow reads what a line of the backend says about the version of its database.
func (w *backendWatch) follow(line string) {
	said, about := backend.ReadDatabase(line)
	if !about {
		return
	}
	w.mu.Lock()
	w.database = said
	w.postpone()
	stop, finish := w.stop, w.finish
	w.mu.Unlock()
	switch {
	case said.Phase == backend.PhaseMigrating && said.Newest > 0:
		w.boot.log.Info("the backend migrates its database", "version", said.Version, "of", said.Newest)
	case said.Phase == backend.PhaseNewer && w.boot.settings.Guards.Downgrade:
		w.boot.log.Warn("allowed by CONVEX_ALLOW_DOWNGRADE", "although", said.String())
	case said.Phase == backend.PhaseNewer:
		err := newerDatabase(said)
		finish("", err)
		stop(err)
	}
}

// newerDatabase returns the end of a boot that the backend itself would go on with: it warns
// of such a database only.
func newerDatabase(database backend.Database) error {
	return report.New(exit.Config, "cannot use the database with this backend: "+database.String(),
		"a newer backend has migrated it, and migrations cannot be undone; this one would answer, and fail in every function",
		"run the backend image that used the database last, or a newer one",
		"the way back is a backup of the database and the volume of one moment, or an export of the newer backend (npx convex export) imported into an empty deployment",
		"CONVEX_ALLOW_DOWNGRADE=true starts all the same",
	).Err(nil)
}

// usesDatabase returns why a backend that answers is not ready: it opens its ports
// before it has looked at the version of its database.
func (w *backendWatch) usesDatabase(now time.Time) error {
	if w.answersSince.IsZero() {
		w.answersSince = now
	}
	switch w.database.Phase {
	case backend.PhaseCurrent:
		return nil
	case backend.PhaseNewer:
		if w.boot.settings.Guards.Downgrade {
			return nil
		}
	case backend.PhaseUnknown:
		if waited := now.Sub(w.answersSince); waited >= databasePatience {
			w.boot.log.Warn("the backend has not said which version its database has, so that is not checked", "waited", waited, "fix", "let RUST_LOG show model::migrations at info")
			return nil
		}
	case backend.PhaseMigrating:
	}
	return errors.New(w.database.String())
}

// postpone moves the end of the wait for the first answer: migrations take their time
// while they get on.
func (w *backendWatch) postpone() {
	limit := w.boot.settings.Backend.WaitTimeout
	w.due = time.Now().Add(limit)
	if w.deadline != nil {
		w.deadline.Reset(limit)
	}
}
