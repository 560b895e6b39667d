package convex

import (
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
)

// begin opens a new life of the backend.
func (w *backendWatch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tail.Reset()
	w.began, w.answered, w.lastErr = time.Now(), false, nil
	w.oomKills, _ = w.oom.Kills()
	w.finish = w.boot.Begin(stageBackend)
	w.boot.Attempt(stageBackend)
	w.stopDeadline() // of a life that came to nothing: it could not be started
	w.deadline = time.AfterFunc(w.boot.settings.Backend.WaitTimeout, w.tooLate)
}

func (w *backendWatch) endDeadline() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopDeadline()
}

// stopDeadline also keeps from acting what the timer has begun already.
func (w *backendWatch) stopDeadline() {
	if w.deadline != nil {
		w.deadline.Stop()
		w.deadline = nil
	}
}

// tooLate ends a boot whose backend lives but does not answer.
func (w *backendWatch) tooLate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deadline == nil {
		return // it has answered in this moment
	}
	limit := w.boot.settings.Backend.WaitTimeout
	err := &bootError{
		code:    exit.Unavailable,
		message: fmt.Sprintf("cannot use the backend: it did not answer at %s within %s; the last try said: %s", w.boot.settings.Network.URL(), limit, health.Reason(w.lastErr)),
		cause:   w.whyLate(),
		fix:     fmt.Sprintf("raise CONVEX_WAIT_TIMEOUT (now %s) if it only needs longer", limit),
	}
	w.finish("", err)
	w.stop(err)
}

// whyLate reads from the last lines what the backend is busy with.
func (w *backendWatch) whyLate() string {
	lines := w.tail.Lines()
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], "attempting to acquire lease") {
			return "the backend waits for the lease on its database; a process that died may still hold a lock on the table leases: look at Postgres' pg_stat_activity"
		}
	}
	if len(lines) == 0 {
		return "the backend has printed nothing"
	}
	return "the last thing the backend printed: " + lines[len(lines)-1]
}
