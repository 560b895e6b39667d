package convex

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// begin follows the start of another process of the backend.
func (w *backendWatch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tail.Reset()
	w.began, w.answered, w.lastErr = time.Now(), false, nil
	w.database, w.answersSince = backend.Database{}, time.Time{}
	w.data, w.lost = w.boot.settings.Volume.Presence(w.boot.settings.Database.Storage), nil
	select {
	case reason := <-w.replace:
		w.boot.log.Debug("the process that was to be replaced is gone already", "reason", reason)
	default:
	}
	w.finish = w.boot.Begin(stageBackend)
	w.boot.Attempt(stageBackend)
	w.stopDeadline() // of a process that could not be started
	limit := w.boot.settings.Backend.WaitTimeout
	w.due, w.deadline = time.Now().Add(limit), time.AfterFunc(limit, w.tooLate)
}

func (w *backendWatch) endDeadline() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopDeadline()
}

// stopDeadline also stops tooLate where the timer has fired already.
func (w *backendWatch) stopDeadline() {
	if w.deadline != nil {
		w.deadline.Stop()
		w.deadline = nil
	}
}

// tooLate ends a boot whose backend runs but does not answer.
func (w *backendWatch) tooLate() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deadline == nil || time.Now().Before(w.due) {
		return // it has just answered, or got on
	}
	limit := w.boot.settings.Backend.WaitTimeout
	err := report.New(exit.Unavailable,
		fmt.Sprintf("cannot use the backend: it did not answer at %s within %s; the last try said: %s", w.boot.settings.Network.URL(), limit, netcause.Reason(w.lastErr)),
		w.whyLate(), w.howToLook(),
		fmt.Sprintf("raise CONVEX_WAIT_TIMEOUT (now %s) if it only needs longer", limit)).Err(nil)
	w.finish("", err)
	w.stop(err)
}

// whyLate returns what the backend's last lines say it is doing.
func (w *backendWatch) whyLate() string {
	lines := w.tail.Lines()
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.Contains(lines[i], "attempting to acquire lease") {
			return "the backend waits for the lease on its database; a process that died may still hold a lock on the table leases: look at Postgres' pg_stat_activity"
		}
	}
	if len(lines) == 0 {
		return "the backend has printed nothing, which the official one never does: what CONVEX_BACKEND_COMMAND names may be another program, or it hangs in its first step"
	}
	return "the last thing the backend printed: " + lines[len(lines)-1]
}

// howToLook returns where to read on about a backend that is late.
func (w *backendWatch) howToLook() string {
	if len(w.tail.Lines()) == 0 {
		return crash.OwnCommand()
	}
	return "read what it printed: " + place.Here().Tail(200, "convex")
}

// exited explains an unrequested end of the backend.
func (w *backendWatch) exited(status supervise.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ended := crash.Read(time.Now(), time.Since(w.began), crash.Evidence{
		Ended: status.String(), Signal: status.Signal(), Code: status.ExitCode(),
		OutOfMemory: status.OutOfMemory(), Killer: status.Killer(), Lines: w.tail.Lines(),
	})
	w.crash = &ended
	w.finish("", errors.New(ended.Cause))
	w.boot.crashes.Inc()
	w.boot.log.Error("the backend crashed", ended.Attributes()...)
	if err := crash.Append(w.boot.settings.Volume.BackendDir(), ended); err != nil {
		w.boot.log.Warn("the crash is not in crash.log", "error", err)
	}
	w.boot.sweepTemp()
}

// lastCrash returns the newest crash of this boot, or nil.
func (w *backendWatch) lastCrash() *crash.Crash {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.crash
}
