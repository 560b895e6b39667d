package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/accesslog"
	"github.com/tale-project/tale-runtime/internal/proxy/issuer"
	"github.com/tale-project/tale-runtime/internal/proxy/logbridge"
	"github.com/tale-project/tale-runtime/internal/proxy/metricsgate"
	"github.com/tale-project/tale-runtime/internal/version"
)

// Run serves until the process is told to stop. It returns only when it cannot
// start: the end belongs to Caddy, which finishes the running requests within
// the grace period, closes WebSockets and exits the process with 0. (Its Stop
// function, called from outside, would cut them: only Caddy's own signal
// handling makes it wait.)
func Run(ctx context.Context, log *slog.Logger, s *Settings) error {
	// Until the configuration's log is there, Caddy would write its own to stderr.
	_, _, _ = caddy.BufferedLog()
	caddy.OnExit(func(context.Context) { log.Info("proxy stopped") })
	caddy.TrapSignals()
	cfg, err := Config(s)
	if err != nil {
		return err
	}
	if err := errors.Join(s.checkPorts(ctx), s.checkStorage()); err != nil {
		return err
	}
	logbridge.Use(log.Handler())
	accesslog.Use(log)
	s.keepSecrets()
	limitMemory(log)
	if err := caddy.Run(cfg); err != nil {
		return exit.With(exit.Config, fmt.Errorf("cannot start the proxy: %w", err))
	}
	if err := s.settleAuthority(ctx, log); err != nil {
		return exit.With(exit.Unavailable, err)
	}
	forgetStart()
	log.Info("proxy ready", "url", s.site().url(), "tls", s.TLSMode, "http_port", s.HTTPPort, "https_port", s.HTTPSPort, "version", version.String())
	select {} // Caddy exits the process
}

// settleAuthority makes the root certificate of our own authority available and
// waits until a name has its certificate. Where no name is certified by it, there
// is nothing to wait for.
func (s *Settings) settleAuthority(ctx context.Context, log *slog.Logger) error {
	names := s.localNames()
	if len(names) == 0 {
		return nil
	}
	root, err := runningRoot()
	if err != nil {
		return fmt.Errorf("cannot find the root certificate: %w", err)
	}
	if err := s.exportRoot(root); err != nil {
		log.Warn("root certificate not readable for other containers", logging.Err(err))
	}
	return s.awaitCertificate(ctx, names[0], root)
}

// metricsToken is the name by which the configuration refers to the token.
const metricsToken = "metrics"

// keepSecrets hands secrets to the modules that need them, so that they are not
// part of the configuration.
func (s *Settings) keepSecrets() {
	if s.MetricsToken != "" {
		metricsgate.Keep(metricsToken, s.MetricsToken.Reveal())
	}
	if s.ACMEKeyID != "" {
		issuer.Keep(s.ACMEKeyID, s.ACMEKey.Reveal())
	}
}

// checkStorage makes the data folder and finds out whether it can be written.
func (s *Settings) checkStorage() error {
	if s.TLSMode == TLSExternal {
		return nil
	}
	root := s.storageRoot()
	err := os.MkdirAll(root, 0o711)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(root, ".write-test-*"); err == nil {
			err = errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
	}
	if err == nil {
		return nil
	}
	code := exit.Config
	if errors.Is(err, fs.ErrPermission) {
		code = exit.NoPermission
	}
	return exit.Errorf(code, "cannot keep certificates in %s as uid %d: %w; mount a volume there that this uid can write, or set PROXY_DATA_DIR", root, os.Getuid(), err)
}
