package trace

import (
	"context"
	"log/slog"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Remind logs, every so often until ctx ends, which answer of the backend the push
// waits for. limit is that of the attempt, as the setting has it.
func Remind(ctx context.Context, log *slog.Logger, t *Trace, every, limit time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if stage, since := t.waitsIn(); since >= every {
			log.Info("the push waits for the backend's answer", "stage", string(stage), "for", since.Round(time.Second),
				"gives_up_after", limit, "limit", "CONVEX_DEPLOY_TIMEOUT", "ask", place.Here().Exec("convex", "convex-entrypoint status"))
		}
	}
}

// waitsIn returns the stage under way and since when it is, 0 where nothing is waited
// for or what is waited for tells its progress by itself.
func (t *Trace) waitsIn() (backend.Stage, time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.entryOf(t.current)
	if s == nil || s.State != report.Running || s.Started == nil || time.Since(t.progress.logged) < backfillQuiet {
		return t.current, 0
	}
	return t.current, time.Since(*s.Started)
}
