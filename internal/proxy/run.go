package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/host"
	"github.com/tale-project/tale-runtime/internal/sys/place"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/entrypoint/processlimit"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/proxy/caddyconf"
	"github.com/tale-project/tale-runtime/internal/proxy/snippets"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// The stages of a start, as its failure names them.
const (
	stageConfig       = "config"
	stageStorage      = "storage"
	stageServe        = "serve"
	stageCertificates = "certificates"
)

// nameLimit bounds the look for the site's own name.
const nameLimit = 2 * time.Second

// run serves until the process is told to stop. It returns only when it cannot
// start, with the stage at which that was: the end belongs to Caddy, which finishes
// the running requests within the grace period, closes WebSockets and exits the
// process with 0. (Its Stop function, called from outside, would cut them: only
// Caddy's own signal handling makes it wait.)
func run(ctx context.Context, log *slog.Logger, s *Settings) (stage string, err error) {
	if err := processlimit.Check(log, processlimit.FewestAlone); err != nil {
		return stageConfig, err
	}
	// Until the configuration's log is there, Caddy would write its own to stderr.
	_, _, _ = caddy.BufferedLog()
	caddy.OnExit(func(context.Context) { log.Info("proxy stopped") })
	caddy.TrapSignals()
	cfg, err := caddyConfig(s)
	if err := errors.Join(err, checkPorts(ctx, s)); err != nil {
		return stageConfig, err
	}
	if err := openStorage(ctx, s, log); err != nil {
		return stageStorage, err
	}
	handOver(s, log)
	limitMemory(log)
	if limit, err := openFiles(); err == nil && limit < fewFiles {
		log.Warn("the limit of open files is low: visitors are refused, or connections of theirs end, when it is used up", "limit", limit, "of_a_busy_site", fewFiles, "fix", place.Here().FileLimit())
	}
	if s.Backend == s.Platform {
		log.Warn("requests for the backend go to the web application: both have one address", "address", s.Backend, "fix", "let CONVEX_UPSTREAM and PLATFORM_UPSTREAM name two, unless what is there tells them apart")
	}
	if _, leftOut, _ := snippets.List(s.SiteDir); len(leftOut) > 0 {
		log.Warn("files of PROXY_SITE_DIR were left out", "count", len(leftOut), "files", logging.Few(leftOut))
	}
	if err := caddy.Run(cfg); err != nil {
		return stageServe, refused(s, err)
	}
	if err := errors.Join(awaitAuthority(ctx, s, log), awaitCertificates(ctx, s)); err != nil {
		return stageCertificates, uncertified(s, err)
	}
	freeStartMemory()
	paceCollector()
	if alike := s.Alike(); alike != "" {
		log.Warn(alike)
	}
	if err := unknownInside(ctx, s.Address()); err != nil {
		log.Warn("containers cannot reach the site by SITE_URL", "error", err, "fix", "make HOST that of SITE_URL: "+s.Address().Host+"; or have a name server know it")
	}
	log.Info("proxy ready", "url", s.Address().URL(), "extra_sites", s.Hosts(), "tls", s.TLSMode, "http_port", s.HTTPPort, "https_port", s.HTTPSPort, "version", version.String())
	keepCertificates(s, log) // until Caddy exits the process
	return "", nil
}

// refused explains why Caddy does not start.
func refused(s *Settings, err error) error {
	switch {
	case says(err, syscall.ENOSPC):
		return report.Because(exit.With(exit.Unavailable, fmt.Errorf("cannot start the proxy: %w", err)),
			"the disk below "+s.StorageRoot()+" is full, and there are no certificates yet", "free some space, or give the volume more (df -h in the container, "+place.Here().DiskUse()+" on the host)")
	case says(err, syscall.EMFILE):
		return report.Because(exit.With(exit.Config, fmt.Errorf("cannot start the proxy: %w", err)),
			"the limit of open files is used up before the first visitor comes", "raise it: "+place.Here().FileLimit())
	}
	fix := []string{"correct the setting that has what is named above, in " + place.Here().Settings()}
	if files, _, _ := snippets.List(s.SiteDir); len(files) > 0 {
		fix = append(fix, "a file that is named above: correct it, or take it out of "+s.SiteDir)
	}
	return report.Because(exit.With(exit.Config, fmt.Errorf("cannot start the proxy: %w", snippets.Blame(s.SiteDir, err))),
		"Caddy does not take the configuration that the settings and the files of PROXY_SITE_DIR make",
		place.Here().Run("proxy", "validate")+" says which of them, without starting", fix...)
}

// says reports whether an error is of this kind. Caddy keeps the words of most errors
// and not the errors.
func says(err error, kind syscall.Errno) bool {
	return errors.Is(err, kind) || strings.Contains(err.Error(), kind.Error())
}

// unknownInside returns an error when the proxy's alias is another name than that of
// SITE_URL, and nothing in the network knows that one.
func unknownInside(ctx context.Context, site stack.Address) error {
	if site.Name == site.Host {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, nameLimit)
	defer cancel()
	var unknown *net.DNSError
	if _, err := net.DefaultResolver.LookupHost(ctx, site.Host); errors.As(err, &unknown) && unknown.IsNotFound {
		return fmt.Errorf("HOST is %s, but SITE_URL has %s, which does not resolve here", site.Name, site.Host)
	}
	return nil
}

// uncertified explains a site that opened its ports and cannot greet visitors.
func uncertified(s *Settings, err error) error {
	return report.Because(exit.With(exit.Unavailable, err),
		fmt.Sprintf("no certificate came within %s, so that every visit would end at the TLS handshake", certificateWait),
		"is there space and the right to write below "+s.StorageRoot()+"? df -h, ls -ln; and is the clock of the host right? date",
		"the certificates that are there: "+place.Here().Run("proxy", "doctor"))
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
