package convex

import (
	"errors"
	"time"

	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// exited explains an unrequested end of the backend.
func (w *backendWatch) exited(status supervise.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kills, _ := w.oom.Kills()
	ended := crash.Read(time.Now(), time.Since(w.began), crash.Evidence{
		Ended: status.String(), Signal: status.Signal(), Code: status.ExitCode(),
		OOMKills: kills - w.oomKills, Lines: w.tail.Lines(),
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

func (w *backendWatch) lastCrash() *crash.Crash {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.crash
}
