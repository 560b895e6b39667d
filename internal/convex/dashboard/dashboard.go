package dashboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// Name is that of the process.
const Name = "dashboard"

const (
	// restartBudget is how often the dashboard is started again within an hour.
	// After that it stays down, and the backend goes on without it.
	restartBudget = 10
	stopWait      = 3 * time.Second
	// lastWords is how many of its last lines a crash shows.
	lastWords = 10
)

// Dashboard is the dashboard as a child of the service.
type Dashboard struct {
	Log      *slog.Logger
	Settings Settings
	// Interface is the address that the dashboard listens on.
	Interface string
	// SiteURL is the address that the dashboard connects browsers to.
	SiteURL string
	// Environ is the service's environment.
	Environ config.Environ
	// Mask takes secrets out of a line of one stream.
	Mask func(supervise.Stream, string) string
	// Finish ends the stage of the boot.
	Finish func(detail string, err error)

	tail  crash.Tail
	relay func(line []byte)
}

// Service describes the dashboard for the supervisor.
func (d *Dashboard) Service(trust map[string]string) supervise.Service {
	d.relay = logging.ChildLines(d.Log, Name)
	prober := health.NewProber()
	url := fmt.Sprintf("http://127.0.0.1:%d%s", d.Settings.Port, d.Settings.BasePath)
	return supervise.Service{
		Process: supervise.Process{
			Name: Name,
			Argv: d.Settings.Command,
			Env:  d.environ(trust).List(),
			Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: stopWait}},
			Line: d.line,
		},
		Restart: supervise.RestartPolicy{Budget: restartBudget},
		Ready: func(ctx context.Context) error {
			_, err := prober.Get(ctx, url)
			// Every answer but an error of its own counts: a redirect to the login is one.
			if answer := new(health.StatusError); errors.As(err, &answer) && answer.Status < 500 {
				return nil
			}
			return err
		},
		OnState: d.observe,
		OnSilence: func(since time.Duration, reason string) {
			d.Log.Warn("the dashboard runs and does not answer", "at", url, "since", since, "reason", reason, "fix", "CONVEX_DASHBOARD_OUTPUT=true shows what it prints")
		},
		OnExit: d.exited,
	}
}

func (d *Dashboard) line(stream supervise.Stream, line []byte) {
	text := d.Mask(stream, string(line))
	d.tail.Add(text)
	if d.Settings.Output {
		d.relay([]byte(text))
	}
}

func (d *Dashboard) observe(state supervise.State) {
	switch state {
	case supervise.StateReady:
		d.Finish("answers at "+d.Settings.BasePath, nil)
	case supervise.StateFailed:
		d.Finish("", errors.New("it stays down"))
	}
}

// exited shows the last words of a dashboard whose output is off.
func (d *Dashboard) exited(status supervise.Status) {
	lines := d.tail.Lines()
	d.Log.Warn("the dashboard ended; the backend goes on", "end", status.String())
	for _, line := range lines[max(0, len(lines)-lastWords):] {
		d.Log.Warn(line, logging.ChildKey, Name)
	}
	d.tail.Reset()
}
