package platform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/entrypoint/portcheck"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

const (
	webName = "web"
	// restartBudget is how often the web server is started again within an hour
	// before the container's own restart policy takes over.
	restartBudget = 10
)

// serve runs the web server until a stop is requested, then drains. The web
// server outlives ctx by the drain window: it has a context of its own.
func (b *Boot) serve(ctx context.Context) error {
	escalated := supervise.Escalated(ctx)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	up := b.watchWeb()
	var running sync.WaitGroup
	defer running.Wait()
	looking, stopLooking := context.WithCancel(ctx)
	defer stopLooking()
	running.Go(func() {
		select {
		case <-up.wasReady:
			b.warnUnlessRunning(looking)
		case <-looking.Done():
		}
	})
	web := b.webServer(up)
	b.log.Info("a stop takes this long at most", "budget", b.settings.Web.Drain+supervise.StopBudget([]supervise.Service{web}))
	ended := make(chan error, 1)
	go func() { ended <- b.services.Run(serving, web) }()
	select {
	case err := <-ended:
		b.NotReady("the web server has ended")
		up.end(err)
		return b.webChild().Explain(err)
	case <-ctx.Done():
	}
	b.drain(up.isReady(), escalated, ended)
	stopServing()
	if err := <-ended; err != nil {
		b.log.Warn("the web server failed while it was stopped", "error", err)
	}
	up.end(context.Cause(ctx))
	return nil
}

func (b *Boot) webChild() boot.Child {
	return boot.Child{Name: webName, Service: serviceName, Setting: "WEB_COMMAND", Command: b.redactor().Redact(strings.Join(b.settings.Web.Command, " ")),
		Folder: describeAppFolder(b.settings.Deploy.AppDir)}
}

// drain keeps serving while whoever sends requests learns to stop: the health
// route answers 503 and /readyz no. It ends early when the operator asks again
// or nothing is left to drain; a web server that was not ready has no requests.
func (b *Boot) drain(wasReady bool, escalated <-chan struct{}, ended chan error) {
	b.Drain()
	if !wasReady {
		return
	}
	b.log.Info("draining", "for", b.settings.Web.Drain)
	timer := time.NewTimer(b.settings.Web.Drain)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-escalated:
	case err := <-ended:
		ended <- err
	}
}

func (b *Boot) webServer(up *webWatch) supervise.Service {
	prober := health.NewProber()
	url := "http://" + b.webAddress() + stack.PlatformHealth
	var looked sync.Once
	return supervise.Service{
		Process: supervise.Process{
			Name: webName,
			Argv: b.settings.Web.Command,
			Dir:  b.settings.Deploy.AppDir,
			Env:  b.webEnviron(),
			Stop: []supervise.StopStep{{Signal: syscall.SIGTERM, Wait: b.settings.Web.Timeout}},
			Line: b.webLines(),
		},
		Restart:  supervise.RestartPolicy{Budget: restartBudget},
		Check:    b.checkPort,
		Critical: true,
		Ready: func(ctx context.Context) error {
			_, err := prober.Get(ctx, url)
			if err == nil {
				looked.Do(func() {
					if !b.listensForOthers(ctx) {
						b.log.Warn(loopbackAlone, "fix", listenOnAll)
					}
				})
			}
			return err
		},
		Explain:   b.webChild().Advise,
		OnState:   up.observe,
		OnRestart: up.restarts,
		OnSilence: func(since time.Duration, reason string) {
			b.log.Warn("the web server runs and is not healthy", "at", url, "since", since, "reason", reason,
				"fix", up.fixSilence())
			up.unhealthy(reason)
		},
	}
}

// webLines relays what the web server prints. It has most of our secrets in its
// environment, and errors of its libraries like to show URLs.
func (b *Boot) webLines() func(supervise.Stream, []byte) {
	mask, relay := redact.Pieces[supervise.Stream](b.redactor(), supervise.CutLine), logging.ChildLines(b.log, webName)
	return func(stream supervise.Stream, line []byte) { relay([]byte(mask(stream, string(line)))) }
}

// webAddress returns where the web server is asked whether it is ready.
func (b *Boot) webAddress() string { return fmt.Sprintf("127.0.0.1:%d", b.settings.Web.Port) }

// checkPort finds another process on the web server's port: its answers would
// pass for those of the web server, and where both share the port, as bun does,
// the web server would not even notice. Only that is for us to judge: the web
// server may be allowed what we are not.
func (b *Boot) checkPort(ctx context.Context) error {
	err := portcheck.Free(ctx, portcheck.Port{Variable: "PORT", Network: "tcp4", Address: b.webAddress()})
	if errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	return nil
}

// webEnviron returns our environment without the instance secret, which makes admin
// keys and which the web server has no use for.
func (b *Boot) webEnviron() []string {
	environ := maps.Clone(b.environ)
	delete(environ, "INSTANCE_SECRET")
	delete(environ, "INSTANCE_SECRET_FILE")
	environ["PORT"] = strconv.Itoa(b.settings.Web.Port)
	environ["TALE_RUN_DIR"] = b.settings.Boot.RunDir
	return environ.List()
}
