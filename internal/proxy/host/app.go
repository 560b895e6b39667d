// Package host is the Caddy app by which our modules get from the process what a
// configuration, which is JSON, cannot carry or must not show: loggers and secrets.
//
// It is the only place where the proxy hands something over beside the configuration,
// and the only process-wide variable for it.
package host

import (
	"log/slog"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
)

func init() { caddy.RegisterModule(new(App)) }

const appName = "tale_host"

// Process is what the modules get. Its zero value is that of a process that hands
// over nothing.
type Process struct {
	Log    slog.Handler             // gets Caddy's log; nil drops it
	Access *slog.Logger             // gets the access log; nil leaves it in Caddy's log
	Tokens map[string]config.Secret // bearer tokens, by the names that the configuration has for them

	// Redactor takes what is secret to this process out of what others wrote: a
	// visitor's target, an upstream's answer.
	Redactor *redact.Redactor

	// The external account binding of the ACME account (RFC 8555, section 7.3.4).
	ACMEKeyID string
	ACMEKey   config.Secret
}

// current is process state because Caddy makes its modules of JSON only.
var current atomic.Pointer[Process]

// Provide hands p to every configuration that is loaded from now on.
func Provide(p Process) { current.Store(&p) }

// Current returns what was provided last. It is for Caddy's log, which is set up
// before there are apps; other modules ask Of.
func Current() Process {
	if p := current.Load(); p != nil {
		return *p
	}
	return Process{}
}

// App keeps what the process provided when its configuration was loaded. It needs no
// configuration: Caddy makes it when the first module asks.
type App struct{ process Process }

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: appName, New: func() caddy.Module { return new(App) }}
}

// Provision takes what the process provides.
func (a *App) Provision(caddy.Context) error {
	a.process = Current()
	return nil
}

// Start does nothing.
func (*App) Start() error { return nil }

// Stop does nothing.
func (*App) Stop() error { return nil }

// Of returns what the process provided for the configuration of ctx.
func Of(ctx caddy.Context) (Process, error) {
	app, err := ctx.App(appName)
	if err != nil {
		return Process{}, err
	}
	return app.(*App).process, nil // the name belongs to it
}

var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
)
