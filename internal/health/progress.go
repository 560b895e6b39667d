package health

import (
	"log/slog"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// remindEvery is how often a wait that nothing new happened to is logged.
const remindEvery = 30 * time.Second

// progressLog tells about a wait when its reason changes, and now and then.
type progressLog struct {
	log    *slog.Logger
	what   string
	reason string
	told   time.Time

	began    time.Time
	limit    time.Duration
	variable string
	fix      string // for a wait that lasts
}

func (p *progressLog) tell(err error, attempt int) {
	reason := netcause.Reason(err)
	if reason == p.reason && time.Since(p.told) < remindEvery {
		p.log.Debug("still waiting for "+p.what, "attempt", attempt, "reason", reason)
		return
	}
	p.reason, p.told = reason, time.Now()
	waited := time.Since(p.began).Round(time.Second)
	attributes := []any{"attempt", attempt, "reason", reason, "for", waited, "gives_up_after", p.limit, "limit", p.variable}
	if p.fix != "" && waited >= remindEvery {
		attributes = append(attributes, "fix", p.fix)
	}
	p.log.Info("waiting for "+p.what, attributes...)
}
