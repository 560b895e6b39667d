package demo

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/httpclient/hostile"
	"github.com/tale-project/tale-runtime/internal/report"
)

func TestAVisitEndsWhateverTheSiteAnswers(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *visitor) error{
		"page":   func(ctx context.Context, v *visitor) error { _, err := v.ask(ctx, request{url: "/"}); return err },
		"socket": func(ctx context.Context, v *visitor) error { _, err := v.sync(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			hostile.Try(t, mostBody, func(ctx context.Context, url string) {
				v := &visitor{site: url, http: newHTTPClient(nil, "", true), sockets: newHTTPClient(nil, "", false)}
				defer v.close()
				_ = ask(ctx, v)
			})
		})
	}
}

// visit starts a fake site with a fault and returns a visitor of it.
func visit(t *testing.T, fault string) (*visitor, string) {
	t.Helper()
	certificate, root := selfSigned()
	https, err := listenTLS("127.0.0.1:0", certificate)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	id := &identity{Secrets: newSecrets()}
	address, err := net.ResolveTCPAddr("tcp", https.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	id.Ports.HTTPS = address.Port
	site := &fakeSite{site: id.siteURL(), metrics: "token", variables: []string{"SITE_URL=" + id.siteURL()}, fault: fault}
	if fault == "wrong variable" {
		site.variables = []string{"SITE_URL=https://old.example"}
	}
	for listener, handler := range map[net.Listener]http.Handler{https: site, plain: http.HandlerFunc(site.redirect)} {
		server := &http.Server{Handler: handler}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
	}
	rootFile := filepath.Join(t.TempDir(), "root.crt")
	if fault == "another root" {
		_, root = selfSigned()
	}
	put(t, rootFile, string(root))
	v, err := newVisitor(id, rootFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return v, "http://" + plain.Addr().String()
}

func TestChecks(t *testing.T) {
	tests := map[string]struct {
		run   func(*visitor, string) (string, error)
		fails []string // the faults that the check must notice
	}{
		"page":          {func(v *visitor, _ string) (string, error) { return v.page(t.Context()) }, []string{"page", "script", "another root"}},
		"redirect":      {func(v *visitor, plain string) (string, error) { return v.redirect(t.Context(), plain) }, []string{"redirect"}},
		"health":        {func(v *visitor, _ string) (string, error) { return v.health(t.Context()) }, []string{"health"}},
		"admin API":     {func(v *visitor, _ string) (string, error) { return v.adminAPI(t.Context()) }, []string{"admin API", "no success", "open admin API"}},
		"storage":       {func(v *visitor, _ string) (string, error) { return v.storage(t.Context()) }, []string{"upload", "download"}},
		"HTTP action":   {func(v *visitor, _ string) (string, error) { return v.httpAction(t.Context()) }, []string{"HTTP action"}},
		"sync":          {func(v *visitor, _ string) (string, error) { return v.sync(t.Context()) }, []string{"auth error", "query failed", "wrong variable", "another root"}},
		"metricsClosed": {func(v *visitor, _ string) (string, error) { return v.metricsClosed(t.Context()) }, []string{"open metrics", "no challenge"}},
		"metricsOpen":   {func(v *visitor, _ string) (string, error) { return v.metricsOpen(t.Context(), "token") }, []string{"empty metrics"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, plain := visit(t, "")
			if detail, err := tt.run(v, plain); err != nil || detail == "" {
				t.Errorf("%q, %v", detail, err)
			}
			for _, fault := range tt.fails {
				v, plain := visit(t, fault)
				if detail, err := tt.run(v, plain); err == nil {
					t.Errorf("passed with the fault %q: %s", fault, detail)
				}
			}
		})
	}
}

func TestUnchanged(t *testing.T) {
	same := report.EnvSync{Declared: 24, Present: 24, Unchanged: 24}
	skipped := report.Deploy{Driver: "native", Skipped: "the backend has everything"}
	tests := map[string]struct {
		env    *report.EnvSync
		deploy *report.Deploy
		ok     bool
	}{
		"nothing changed":      {&same, &skipped, true},
		"hashes all the same":  {&same, &report.Deploy{Driver: "cli", Modules: 9}, true},
		"a variable updated":   {&report.EnvSync{Declared: 24, Present: 24, Unchanged: 23, Updated: 1}, &skipped, false},
		"a variable missing":   {&report.EnvSync{Declared: 24, Present: 23, Unchanged: 23}, &skipped, false},
		"a module sent":        {&same, &report.Deploy{Driver: "cli", Modules: 9, Changed: new(1)}, false},
		"a report of no push":  {nil, nil, false},
		"a report of half one": {&same, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			detail, err := unchanged(report.Document{Env: tt.env, Deploy: tt.deploy})
			if (err == nil) != tt.ok {
				t.Errorf("%q, %v", detail, err)
			}
			if tt.ok && !strings.Contains(detail, "24 variables unchanged") {
				t.Errorf("detail %q", detail)
			}
		})
	}
}
