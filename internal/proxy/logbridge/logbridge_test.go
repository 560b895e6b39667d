package logbridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
)

// line returns what one call writes, without its time.
func line(t *testing.T, level slog.Level, log func(*zap.Logger)) string {
	t.Helper()
	var out bytes.Buffer
	host.Provide(host.Process{Log: logging.New(&out, logging.FormatConsole, level).Handler()})
	t.Cleanup(func() { host.Provide(host.Process{}) })
	log(zap.New(&Core{}))
	_, rest, _ := strings.Cut(strings.TrimSuffix(out.String(), "\n"), " ")
	return rest
}

func TestLevels(t *testing.T) {
	say := func(logger, message string, level func(*zap.Logger, string)) func(*zap.Logger) {
		return func(l *zap.Logger) { level(l.Named(logger), message) }
	}
	info := func(l *zap.Logger, message string) { l.Info(message) }
	warn := func(l *zap.Logger, message string) { l.Warn(message) }
	fail := func(l *zap.Logger, message string) { l.Error(message) }
	for name, tt := range map[string]struct {
		log  func(*zap.Logger)
		want string
	}{
		"Caddy's routine":    {say("http", "server running", info), ""},
		"Caddy's warning":    {say("http", "odd", warn), "WARN  odd logger=http"},
		"Caddy's error":      {say("tls", "broken", fail), "ERROR broken logger=tls"},
		"the admin endpoint": {say("admin", "admin endpoint disabled", warn), ""},
		"an error of it":     {say("admin", "broken", fail), "ERROR broken logger=admin"},
		"farewell":           {say("", exiting, warn), ""},
		"a certificate":      {say("tls.obtain", "certificate obtained successfully", info), "INFO  certificate obtained successfully logger=tls.obtain"},
		"steps towards it":   {say("tls.obtain", "acquiring lock", info), ""},
		"an ACME attempt":    {say("tls.issuance.tale_acme.acme_client", "challenge failed", fail), ""},
		"a lock at the end":  {say("", lockGone, fail), ""},
		"a requested end": {func(l *zap.Logger) {
			l.Error("could not get certificate", zap.Error(fmt.Errorf("issuing: %w", context.Canceled)))
		}, ""},
		"the issuer's verdict":     {say("tls.issuance.tale_acme", "certificate not issued yet", warn), "WARN  certificate not issued yet logger=tls.issuance.tale_acme"},
		"our upstream source":      {say("http.reverse_proxy.upstreams.probed", "upstream available", info), "INFO  upstream available"},
		"a handler of ours":        {say("http.handlers.tale_tunnel", "websockets closed", info), "INFO  websockets closed"},
		"a handler of Caddy's own": {say("http.handlers.reverse_proxy", "selected", info), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := line(t, slog.LevelInfo, tt.log); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhatIsRoutineIsThereForWhoeverLooks(t *testing.T) {
	got := line(t, slog.LevelDebug, func(l *zap.Logger) { l.Named("http").Info("server running") })
	if got != "DEBUG server running logger=http" {
		t.Errorf("got %q", got)
	}
}

func TestFields(t *testing.T) {
	got := line(t, slog.LevelInfo, func(l *zap.Logger) {
		l.With(zap.String("a", "x")).Warn("m", zap.Int("b", 2), zap.Error(errors.New("no route")))
	})
	if got != `WARN  m a=x b=2 error="no route"` {
		t.Errorf("got %q", got)
	}
}

func TestModulesThatLogWithSlog(t *testing.T) {
	got := line(t, slog.LevelInfo, func(l *zap.Logger) {
		slog.New(zapslog.NewHandler(l.Core(), zapslog.WithName("http.handlers.tale_x"))).Info("m", "took", "1s")
	})
	if got != "INFO  m took=1s" {
		t.Errorf("got %q", got)
	}
}

func TestNothingIsWrittenWithoutAHandler(t *testing.T) {
	host.Provide(host.Process{})
	if (&Core{}).Enabled(zap.ErrorLevel) {
		t.Error("enabled without a handler")
	}
	zap.New(&Core{}).Error("lost")
}

func TestSecretsOfTheProcessAreNotShown(t *testing.T) {
	var out bytes.Buffer
	host.Provide(host.Process{
		Log:      logging.New(&out, logging.FormatJSON, slog.LevelInfo).Handler(),
		Redactor: redact.New(map[string]string{"METRICS_BEARER_TOKEN": "can/ary+1"}),
	})
	t.Cleanup(func() { host.Provide(host.Process{}) })
	zap.New(&Core{}).Error(`header "Bearer can\/ary+1" is malformed`, zap.Error(errors.New("at can%2fary%2B1")), zap.Strings("values", []string{"Y2FuL2FyeSsx"}))
	if got := out.String(); strings.Count(got, "[METRICS_BEARER_TOKEN]") != 3 {
		t.Errorf("got %s", got)
	}
}

func TestFieldsShowNoSecrets(t *testing.T) {
	header := http.Header{"Location": {"/reset-password/canary"}, "X-Api-Key": {"canary"}}
	got := line(t, slog.LevelDebug, func(l *zap.Logger) {
		l.Error("cannot serve /invite/canary",
			zap.Error(errors.New(`Get "http://h/x?token=canary": EOF`)), zap.String("uri", "/x?next=%2Finvite%2Fcanary"), zap.Strings("referers", []string{"https://h/magic/canary"}),
			zap.Object("headers", caddyhttp.LoggableHTTPHeader{Header: header}),
			zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: httptest.NewRequest("GET", "/verify-email/canary", nil)}))
	})
	if strings.Contains(got, "canary") || strings.Count(got, "REDACTED") != 4 {
		t.Errorf("got %s", got)
	}
}
