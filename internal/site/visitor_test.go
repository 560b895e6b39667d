package site_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/site/sitetest"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient/hostile"
)

// visit starts a site with a fault and returns a visitor of it, and the address
// of its plain port.
func visit(t *testing.T, fault string) (*site.Visitor, string) {
	t.Helper()
	certificate, root := sitetest.Certificate()
	if fault == "another root" {
		_, root = sitetest.Certificate()
	}
	stack := &sitetest.Site{AdminKey: "tale|01", Metrics: "token", Fault: fault}
	server := httptest.NewUnstartedServer(stack)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	plain := httptest.NewServer(http.HandlerFunc(stack.Redirect))
	t.Cleanup(plain.Close)
	stack.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	stack.Variables = []string{"SITE_URL=" + stack.URL}
	if fault == "wrong variable" {
		stack.Variables = []string{"SITE_URL=https://old.example"}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	limit := time.Duration(0)
	if fault == "not live" || fault == "entries are lost" {
		limit = time.Second // what does not come is waited for
	}
	v := site.New(site.Options{URL: stack.URL, Roots: roots, AdminKey: stack.AdminKey, Limit: limit})
	t.Cleanup(v.Close)
	return v, plain.URL
}

func TestChecksNoticeFaults(t *testing.T) {
	health := func(ctx context.Context, v *site.Visitor) (string, error) {
		_, err := v.Health(ctx)
		return "ours", err
	}
	live := func(ctx context.Context, v *site.Visitor) (string, error) {
		writer, err := v.Watch(ctx, "entries:list", struct{}{})
		if err != nil {
			return "", err
		}
		defer writer.Close()
		reader, err := v.Watch(ctx, "entries:list", struct{}{})
		if err != nil {
			return "", err
		}
		defer reader.Close()
		if err := reader.Until(ctx, func(json.RawMessage) bool { return true }); err != nil {
			return "", err
		}
		if err := writer.Mutate(ctx, "entries:sign", map[string]string{"message": "hello"}); err != nil {
			return "", err
		}
		return "seen", reader.Until(ctx, func(result json.RawMessage) bool { return strings.Contains(string(result), "hello") })
	}
	tests := map[string]struct {
		run   func(context.Context, *site.Visitor) (string, error)
		fails []string // the faults that the check must notice
	}{
		"page":           {func(ctx context.Context, v *site.Visitor) (string, error) { return v.Page(ctx) }, []string{"page", "script", "another root"}},
		"any page":       {func(ctx context.Context, v *site.Visitor) (string, error) { return v.AnyPage(ctx) }, []string{"page", "script", "another root"}},
		"health":         {health, []string{"another server"}},
		"admin API":      {func(ctx context.Context, v *site.Visitor) (string, error) { return v.AdminAPI(ctx) }, []string{"admin API", "no success", "open admin API"}},
		"storage":        {func(ctx context.Context, v *site.Visitor) (string, error) { return v.Storage(ctx) }, []string{"upload", "download"}},
		"HTTP action":    {func(ctx context.Context, v *site.Visitor) (string, error) { return v.HTTPAction(ctx, "/api/guestbook") }, []string{"HTTP action"}},
		"sync":           {func(ctx context.Context, v *site.Visitor) (string, error) { return v.Sync(ctx) }, []string{"auth error", "query failed", "wrong variable", "another root"}},
		"socket":         {func(ctx context.Context, v *site.Visitor) (string, error) { return v.Socket(ctx) }, []string{"another root", "no socket"}},
		"watch":          {live, []string{"another root", "no functions", "sign refused", "not live", "entries are lost"}},
		"metrics closed": {func(ctx context.Context, v *site.Visitor) (string, error) { return v.MetricsClosed(ctx) }, []string{"open metrics", "no challenge"}},
		"metrics open":   {func(ctx context.Context, v *site.Visitor) (string, error) { return v.MetricsOpen(ctx, "token") }, []string{"empty metrics"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v, _ := visit(t, "")
			if detail, err := tt.run(t.Context(), v); err != nil || detail == "" {
				t.Errorf("%q, %v", detail, err)
			}
			for _, fault := range tt.fails {
				v, _ := visit(t, fault)
				if detail, err := tt.run(t.Context(), v); err == nil {
					t.Errorf("passed with the fault %q: %s", fault, detail)
				}
			}
		})
	}
}

func TestAVisitEndsWhateverTheSiteAnswers(t *testing.T) {
	for name, visit := range map[string]func(context.Context, *site.Visitor) (string, error){
		"page":    func(ctx context.Context, v *site.Visitor) (string, error) { return v.Page(ctx) },
		"storage": func(ctx context.Context, v *site.Visitor) (string, error) { return v.Storage(ctx) },
		"socket":  func(ctx context.Context, v *site.Visitor) (string, error) { return v.Sync(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			hostile.Try(t, 8<<20, func(ctx context.Context, url string) {
				v := site.New(site.Options{URL: url})
				defer v.Close()
				_, _ = visit(ctx, v)
			})
		})
	}
}

// TestAnAnswerThatStops is told in plain words.
func TestAnAnswerThatStops(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "<html>")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	visitor := site.New(site.Options{URL: server.URL, Limit: 100 * time.Millisecond})
	if _, err := visitor.Ask(t.Context(), site.Request{URL: "/"}); err == nil || err.Error() != server.URL+"/ has begun an answer, and not ended it within 100ms" {
		t.Errorf("%v", err)
	}
}

// An app of one's own may write its pages on the server.
func TestAPageWithoutAScript(t *testing.T) {
	const page = `<h1>shop</h1><img data-src="/x.js"><script async src="https://counter.invalid/c.js"></script>`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(server.Close)
	v := site.New(site.Options{URL: server.URL})
	t.Cleanup(v.Close)
	if said, err := v.AnyPage(t.Context()); err != nil || said != fmt.Sprintf("HTTP/1.1, page %d bytes", len(page)) {
		t.Errorf("%q, %v", said, err)
	}
	if _, err := v.Page(t.Context()); err == nil || !strings.Contains(err.Error(), "it names no script") {
		t.Errorf("an app that is built of scripts: %v", err)
	}
}

// TestMetricsOfAnAppWithout: static files behind a server that knows pages only.
func TestMetricsOfAnAppWithout(t *testing.T) {
	for _, app := range []string{"no metrics", "page for metrics"} {
		v, _ := visit(t, app)
		if detail, err := v.MetricsOpen(t.Context(), "token"); err != nil || !strings.Contains(detail, "has none") {
			t.Errorf("%s: %q, %v", app, detail, err)
		}
	}
}

func TestRedirect(t *testing.T) {
	v, plain := visit(t, "")
	if _, err := v.Redirect(t.Context(), plain); err != nil {
		t.Error(err)
	}
	v, plain = visit(t, "redirect")
	if detail, err := v.Redirect(t.Context(), plain); err == nil {
		t.Errorf("passed: %s", detail)
	}
}

func TestHealthNamesWhatIsAway(t *testing.T) {
	v, _ := visit(t, "upstream away")
	health, err := v.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if health.Available {
		t.Error("it is available")
	}
	if got := strings.Join(health.Unavailable, ","); got != "platform:3000" {
		t.Errorf("unavailable: %s", got)
	}
}

func TestStorageTellsARefusalFromABrokenRoute(t *testing.T) {
	v, _ := visit(t, "upload refused")
	if detail, err := v.Storage(t.Context()); err != nil || !strings.Contains(detail, "StorageTokenInvalid") {
		t.Errorf("%q, %v", detail, err)
	}
}

// A stack whose name leads elsewhere, or nowhere yet, is visited by its address.
func TestConnectReplacesTheAddress(t *testing.T) {
	served := httptest.NewServer(&sitetest.Site{})
	t.Cleanup(served.Close)
	v := site.New(site.Options{URL: "http://tale.invalid", Connect: served.Listener.Addr().String()})
	t.Cleanup(v.Close)
	if _, err := v.Page(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCertificate(t *testing.T) {
	trusted, _ := visit(t, "")
	if err := trusted.Certificate(t.Context()); err != nil {
		t.Error(err)
	}
	unknown, _ := visit(t, "another root")
	if err := unknown.Certificate(t.Context()); !errors.Is(err, site.ErrUnknownAuthority) {
		t.Errorf("error %v", err)
	}
	otherName := site.New(site.Options{URL: strings.Replace(unknown.URL(), "localhost", "127.0.0.1", 1), Blind: true})
	t.Cleanup(otherName.Close)
	if err := otherName.Certificate(t.Context()); err == nil || errors.Is(err, site.ErrUnknownAuthority) {
		t.Errorf("for another name: %v", err)
	}
	plain := site.New(site.Options{URL: "http://127.0.0.1"})
	if err := plain.Certificate(t.Context()); !errors.Is(err, site.ErrPlain) {
		t.Errorf("plain: %v", err)
	}
}
