package proxy

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestTargetsThatAreNoPathAreRefused(t *testing.T) {
	p := start(t, nil)
	plain := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPPort)) // that redirects
	for _, target := range []string{"x:http://platform/metrics", "x:.evil.test", "http:metrics", "*", "/a%2fb/../metrics", "/a%2fb/%2e%2e/metrics", "/settings/..%2fconvex-logo-only.svg%2fx/.."} {
		request := "GET " + target + " HTTP/1.1\nHost: site.test\nConnection: close\n\n"
		if got := p.raw(request).StatusCode; got != http.StatusBadRequest {
			t.Errorf("%s: %d", target, got)
		}
		if got := exchange(t, plain, strings.ReplaceAll(request, "\n", "\r\n")); got.status != http.StatusBadRequest {
			t.Errorf("%s over plain HTTP: %v", target, got)
		}
	}
	for _, method := range []string{"GET /injected", "G\tT", "get"} {
		if status := p.sendFields([]field{{":method", method}, {":scheme", "https"}, {":authority", siteName}, {":path", "/x"}}); status != "400" && status != "PROTOCOL_ERROR" {
			t.Errorf("%q over HTTP/2: %s", method, status)
		}
	}
}

// Redirects, the page for an upstream that is away, and operators' routes have the
// target that was decided on, and operators' closed paths are closed to every reader.
func TestEverybodySeesTheSameTarget(t *testing.T) {
	folder := t.TempDir()
	snippet := "respond /seen* \"{uri} {http.request.orig_uri.path}\"\nrespond /internal/* 403\n"
	if err := os.WriteFile(filepath.Join(folder, "own.caddy"), []byte(snippet), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, config.Environ{"PROXY_SITE_DIR": folder, "BASE_PATH": "/tale", "PLATFORM_UPSTREAM": "127.0.0.1:1"})
	ask := func(target string) *http.Response {
		return p.raw(fmt.Sprintf("GET %s HTTP/1.1\nHost: site.test\nAccept: text/html\nSec-Fetch-Mode: navigate\nConnection: close\n\n", target))
	}
	for target, want := range map[string]string{
		"/tale/x/../seen/%61?%61": "/seen/a?%61 /tale/seen/a",
		"//tale/seen/%61%2Fb":     "/seen/a%2Fb /tale/seen/a/b",
		"/tale/./page/%61?q":      `href="/tale/page/a?q"`,
		"/tale/%2569nternal/x":    "400 Bad Request",
		"/tale/tale/metrics":      "400 Bad Request",
		"/tale/talemetrics":       "400 Bad Request",
		"/tale/%2574ale/metrics":  "400 Bad Request",
	} {
		if got := text(t, ask(target)); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	for target, want := range map[string]string{"/x/../tale?y": "/tale/?y", "/tale/data/../settings?component=a%2F": "/tale/convex-dashboard/settings?component=a%2F"} {
		if got := ask(target).Header.Get("Location"); got != want {
			t.Errorf("%s: to %q, want %q", target, got, want)
		}
	}
	for _, target := range []string{"/tale/%69nternal/x", "/tale/internal%2Fx", "/tale//internal/x"} {
		if got := ask(target).StatusCode; got != http.StatusForbidden {
			t.Errorf("%s: %d", target, got)
		}
	}
}
