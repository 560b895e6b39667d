package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/proxy/caddyconf"
	"github.com/tale-project/tale-runtime/internal/proxy/snippets"
)

// run serves until the process is told to stop. It returns only when it cannot
// start: the end belongs to Caddy, which finishes the running requests within
// the grace period, closes WebSockets and exits the process with 0. (Its Stop
// function, called from outside, would cut them: only Caddy's own signal
// handling makes it wait.)
func run(ctx context.Context, log *slog.Logger, s *Settings) error {
	// Until the configuration's log is there, Caddy would write its own to stderr.
	_, _, _ = caddy.BufferedLog()
	caddy.OnExit(func(context.Context) { log.Info("proxy stopped") })
	caddy.TrapSignals()
	cfg, err := caddyConfig(s)
	if err != nil {
		return err
	}
	if err := errors.Join(checkPorts(ctx, s), checkStorage(s)); err != nil {
		return err
	}
	if err := healStorage(ctx, s, log); err != nil {
		return err
	}
	handOver(s, log)
	limitMemory(log)
	if _, leftOut, _ := snippets.List(s.SiteDir); len(leftOut) > 0 {
		log.Warn("files of PROXY_SITE_DIR were left out", "count", len(leftOut), "files", logging.Few(leftOut))
	}
	if err := caddy.Run(cfg); err != nil {
		return exit.With(exit.Config, fmt.Errorf("cannot start the proxy: %w", snippets.Blame(s.SiteDir, err)))
	}
	if err := errors.Join(awaitAuthority(ctx, s, log), awaitCertificates(ctx, s)); err != nil {
		return exit.With(exit.Unavailable, err)
	}
	freeStartMemory()
	paceCollector()
	if alike := s.Alike(); alike != "" {
		log.Warn(alike)
	}
	log.Info("proxy ready", "url", s.Address().URL(), "extra_sites", s.Hosts(), "tls", s.TLSMode, "http_port", s.HTTPPort, "https_port", s.HTTPSPort, "version", version.String())
	keepCertificates(s, log) // until Caddy exits the process
	return nil
}

// handOver gives Caddy's modules what is not part of the configuration; log may be nil.
func handOver(s *Settings, log *slog.Logger) {
	process := host.Process{ACMEKeyID: s.ACMEKeyID, ACMEKey: s.ACMEKey, Redactor: redactor(s)}
	if log != nil {
		process.Log, process.Access = log.Handler(), logging.Batched(log)
	}
	if s.MetricsToken != "" {
		process.Tokens = map[string]config.Secret{caddyconf.MetricsToken: s.MetricsToken}
	}
	host.Provide(process)
}

// redactor knows the secrets of the settings and those of the environment, to which
// snippets may refer as {env.NAME}.
func redactor(s *Settings) *redact.Redactor {
	secrets := redact.Secrets(config.FromOS())
	secrets["METRICS_BEARER_TOKEN"], secrets["ACME_EAB_HMAC_KEY"] = s.MetricsToken.Reveal(), s.ACMEKey.Reveal()
	return redact.New(secrets)
}

// caddyConfig returns the configuration for the settings and the files of
// PROXY_SITE_DIR.
func caddyConfig(s *Settings) (*caddy.Config, error) {
	own, err := snippets.Load(s.SiteDir)
	if err != nil {
		return nil, err
	}
	return caddyconf.New(s, own), nil
}
