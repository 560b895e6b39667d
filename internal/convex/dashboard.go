package convex

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

const (
	dashboardName = "dashboard"
	// dashboardBudget is how often the dashboard is started again within an
	// hour. Then it stays down, and the backend goes on without it.
	dashboardBudget   = 10
	dashboardStopWait = 3 * time.Second
	// dashboardLastWords is how many of its last lines a crash shows.
	dashboardLastWords = 10
)

// dashboardWatch follows the dashboard.
type dashboardWatch struct {
	boot   *Boot
	tail   crash.Tail
	relay  func(line []byte)
	mask   secretMask
	finish func(string, error)
}

func newDashboardWatch(b *Boot) *dashboardWatch {
	return &dashboardWatch{boot: b, mask: newSecretMask(b.settings, b.environ), relay: logging.ChildLines(b.log, dashboardName), finish: b.Begin(stageDashboard)}
}

func (w *dashboardWatch) service(trust map[string]string) supervise.Service {
	s := w.boot.settings
	prober := health.NewProber()
	url := fmt.Sprintf("http://127.0.0.1:%d%s", s.Dashboard.Port, s.Dashboard.BasePath)
	return supervise.Service{
		Process: supervise.Process{
			Name: dashboardName,
			Argv: s.Dashboard.Command,
			Env:  dashboardEnviron(w.boot.environ, s, trust).List(),
			Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: dashboardStopWait}},
			Line: w.line,
		},
		Restart: supervise.RestartPolicy{Budget: dashboardBudget},
		Ready: func(ctx context.Context) error {
			_, err := prober.Get(ctx, url)
			// Any answer of its own will do: a redirect to the login is one.
			if answer := new(health.StatusError); errors.As(err, &answer) && answer.Status < 500 {
				return nil
			}
			return err
		},
		OnState: w.observe,
		OnExit:  w.exited,
	}
}

func (w *dashboardWatch) line(stream supervise.Stream, line []byte) {
	text := w.mask[stream](string(line))
	w.tail.Add(text)
	if w.boot.settings.Dashboard.Output {
		w.relay([]byte(text))
	}
}

func (w *dashboardWatch) observe(state supervise.State) {
	switch state {
	case supervise.StateReady:
		w.finish("answers at "+w.boot.settings.Dashboard.BasePath, nil)
	case supervise.StateFailed:
		w.finish("", errors.New("it stays down"))
	}
}

// exited shows the last words of a dashboard whose output is off.
func (w *dashboardWatch) exited(status supervise.Status) {
	lines := w.tail.Lines()
	w.boot.log.Warn("the dashboard ended; the backend goes on", "end", status.String())
	for _, line := range lines[max(0, len(lines)-dashboardLastWords):] {
		w.boot.log.Warn(line, logging.ChildKey, dashboardName)
	}
	w.tail.Reset()
}

// dashboardVariables are what the dashboard gets of our environment. It is a
// list of what is let through: the dashboard writes some variables into pages
// that anybody can load, an admin key among them if it were given one.
var dashboardVariables = []string{
	"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "NODE_ENV", "NODE_OPTIONS", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE",
	"NEXT_TELEMETRY_DISABLED", "NEXT_PUBLIC_LOAD_MONACO_INTERNALLY", "NEXT_PUBLIC_HIDE_HEADER", "KEEP_ALIVE_TIMEOUT",
}

func dashboardEnviron(environ config.Environ, s *Settings, trust map[string]string) config.Environ {
	complete := config.Environ{"NODE_ENV": "production", "NEXT_PUBLIC_LOAD_MONACO_INTERNALLY": "true", "NEXT_TELEMETRY_DISABLED": "1"}
	for _, name := range dashboardVariables {
		if value := environ[name]; value != "" {
			complete[name] = value
		}
	}
	for name, value := range trust {
		complete[name] = value
	}
	complete["PORT"] = strconv.Itoa(s.Dashboard.Port)
	complete["HOSTNAME"] = s.Network.Interface
	complete["NEXT_PUBLIC_DEPLOYMENT_URL"] = s.Site.SiteURL
	return complete
}
