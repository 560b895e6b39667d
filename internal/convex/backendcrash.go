package convex

import (
	"errors"
	"time"

	"github.com/tale-project/tale-runtime/internal/supervise"
)

// exited reads the end of a backend that nobody stopped.
func (w *backendWatch) exited(status supervise.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kills, _ := w.oom.Kills()
	crash := readCrash(time.Now(), time.Since(w.began), evidence{
		ended: status.String(), signal: status.Signal(), code: status.ExitCode(),
		oomKills: kills - w.oomKills, lines: w.tail.Lines(),
	})
	w.crash = &crash
	w.finish("", errors.New(crash.Cause))
	w.boot.crashes.Inc()
	w.boot.log.Error("the backend crashed", crash.attributes()...)
	if err := appendCrash(crashLogPath(w.boot.settings.Volume), crash); err != nil {
		w.boot.log.Warn("the crash is not in crash.log", "error", err)
	}
	w.boot.sweepTemp()
}

func (w *backendWatch) lastCrash() *crash {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.crash
}
