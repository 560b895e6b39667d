package convexsim_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestProbes(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{InstanceName: "tale_test", InstanceSecret: strings.Repeat("0a", 32)})
	for path, want := range map[string]string{
		"/version": "unknown", "/instance_version": "unknown", "/instance_name": "tale_test", "/": convexsim.Greeting,
	} {
		got := call(t, s, http.MethodGet, path, nil, noKey)
		if got.status != http.StatusOK || got.body != want || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: got %+v, want %q", path, got, want)
		}
	}
	if got := call(t, s, http.MethodPost, "/echo", strings.Repeat("echo", 100_000), noKey); got.body != strings.Repeat("echo", 100_000) {
		t.Errorf("/echo sent %d bytes back", len(got.body))
	}
	if got := call(t, s, http.MethodHead, "/version", nil); got.status != http.StatusOK || got.body != "" {
		t.Errorf("HEAD got %+v", got)
	}
}

func TestTheVersionIsTheReleaseThatWasSet(t *testing.T) {
	for set, want := range map[string]string{"": "unknown", "dev": "unknown", "2026.2": "2026.2"} {
		s := simtest.Start(t, convexsim.Options{Version: set})
		if got := call(t, s, http.MethodGet, "/version", nil); got.body != want {
			t.Errorf("%q: got %q", set, got.body)
		}
	}
}

func TestUnknownRoutesHaveEmptyAnswers(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nope", 404, ""}, {"POST", "/api/deploy2/evaluate_schema", 404, ""}, {"GET", "/api/v2/sync/x", 404, ""},
		{"GET", envUpdate, 405, "POST"}, {"POST", listEnv, 405, "GET,HEAD"}, {"DELETE", "/version", 405, "GET,HEAD"},
		{"PURGE", "/http/x", 405, "DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT"}, {"GET", "//version", 404, ""},
	} {
		got := call(t, s, c.method, c.path, nil)
		if got.status != c.status || got.body != "" || got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: got %d %q, Allow %q; want %d, %q", c.method, c.path, got.status, got.body, got.header.Get("Allow"), c.status, c.allow)
		}
	}
}

// A client that reads only when it has sent everything must not find the
// connection closed.
func TestARefusedRequestIsReadToItsEnd(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	for head, want := range map[string]string{
		"POST /api/deploy2/evaluate_schema HTTP/1.1":                                                      "HTTP/1.1 404 ",
		"POST " + startPushPath + " HTTP/1.1\r\nContent-Type: application/json\r\nContent-Encoding: gzip": "HTTP/1.1 415 ",
	} {
		connection, err := net.Dial("tcp4", strings.TrimPrefix(s.URL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		const size = 20 << 20
		if _, err := fmt.Fprintf(connection, "%s\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", head, size, strings.Repeat("x", size)); err != nil {
			t.Errorf("%q: cannot send it all: %v", head, err)
		}
		answer := make([]byte, len(want))
		if _, err := io.ReadFull(connection, answer); err != nil || string(answer) != want {
			t.Errorf("%q: got %q, %v", head, answer, err)
		}
		_ = connection.Close()
	}
}

func TestEveryOriginIsAllowed(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	origin := header("Origin", "https://app.example")
	got := call(t, s, http.MethodGet, listEnv, nil, origin)
	if got.header.Get("Access-Control-Allow-Origin") != "https://app.example" || got.header.Get("Access-Control-Allow-Credentials") != "true" {
		t.Errorf("got %v", got.header)
	}
	preflight := call(t, s, http.MethodOptions, envUpdate, nil, noKey, origin, header("Access-Control-Request-Headers", "authorization,x-mine"))
	if preflight.status != http.StatusOK || preflight.header.Get("Access-Control-Allow-Headers") != "authorization,x-mine" ||
		!strings.Contains(preflight.header.Get("Access-Control-Allow-Methods"), "POST") || preflight.header.Get("Access-Control-Max-Age") != "86400" {
		t.Errorf("the preflight got %+v", preflight)
	}
	if got := call(t, s, http.MethodOptions, "/http/x", nil, origin); got.header.Get("Access-Control-Allow-Origin") != "" || got.body != convexsim.NoHTTPActions {
		t.Errorf("HTTP actions answer OPTIONS themselves: %+v", got)
	}
}

func TestClientVersions(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	for client, code := range map[string]string{
		"npm-cli-1.32.0": "", "npm-cli-0.19.2": "", "mytool-1.2.3": "", "my-tool-0.0.0-alpha.1": "", "big_brain-20240412T160958Z-baea": "",
		"npm-cli-0.19.1": "ClientVersionUnsupported", "npm-0.0.0": "ClientVersionUnsupported", "npm-1.2.3.4": "ClientVersionUnsupported",
		"python-0.0.2": "ClientVersionUnsupported", "nodash": "InvalidClientVersion",
	} {
		got := call(t, s, http.MethodGet, checkKey, nil, header("Convex-Client", client))
		if code == "" {
			success(t, got)
			continue
		}
		wantFailure(t, client, got, 400, code)
		if code == "ClientVersionUnsupported" && (got.header.Get("x-convex-deprecation-state") != "Unsupported" || got.header.Get("x-convex-deprecation-message") == "") {
			t.Errorf("%s: headers %v", client, got.header)
		}
	}
}

func TestTheVersionOfAWebSocketIsInItsPath(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	wantFailure(t, "too old", call(t, s, http.MethodGet, "/api/0.19.1/sync", nil), 400, "ClientVersionUnsupported")
	wantFailure(t, "none", call(t, s, http.MethodGet, "/api/latest/sync", nil), 400, "InvalidClientVersion")
	if got := call(t, s, http.MethodGet, "/api/1.48.0/sync", nil); got.status != http.StatusUpgradeRequired {
		t.Errorf("a plain request got %+v", got)
	}
}

func TestRequestsOverTheLimitWait(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	inject(t, s, "stage=check_admin_key,hang")
	var waiting sync.WaitGroup
	for range convexsim.APIConcurrency {
		waiting.Go(func() { call(t, s, http.MethodGet, checkKey, nil) })
	}
	testkit.Eventually(t, "all permits are taken", func() bool { return s.Running() == convexsim.APIConcurrency })
	done := make(chan answered, 1)
	go func() { done <- call(t, s, http.MethodGet, listEnv, nil) }()
	if got := call(t, s, http.MethodGet, "/version", nil); got.status != http.StatusOK {
		t.Errorf("/version is behind the limit: %+v", got)
	}
	select {
	case got := <-done:
		t.Errorf("request %d was not kept waiting: %+v", convexsim.APIConcurrency+1, got)
	case <-time.After(50 * time.Millisecond):
	}
	s.Remove("")
	waiting.Wait()
	if got := <-done; got.status != http.StatusOK {
		t.Errorf("it got %+v in the end", got)
	}
}

func TestASlowBodyEndsWithTheRequestTimeout(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{RequestTimeout: 100 * time.Millisecond})
	slow, unended := io.Pipe()
	defer func() { _ = unended.Close() }()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+envUpdate, slow)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Convex "+s.AdminKey())
	request.Header.Set("Content-Type", "application/json")
	if got := send(t, request); got.status != http.StatusRequestTimeout || got.body != "" {
		t.Errorf("got %+v, want an empty 408", got)
	}
}

func TestMetricsAreVictoriaMetricsHistograms(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	call(t, s, http.MethodPost, "/api/run/notes/list", `{"args":{}}`)
	for _, base := range []string{s.URL(), s.SiteURL()} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		got := send(t, request)
		if got.status != http.StatusOK || !strings.Contains(got.body, `endpoint="/api/run/{*function}",is_test="false",method="POST",status="200",vmrange="`) ||
			!strings.Contains(got.body, "\nbackend_http_service_concurrent_requests ") {
			t.Errorf("%s: got %s", base, got.body)
		}
	}
	if got := convexsim.Vmrange(0.0123); got != "1.136e-02...1.292e-02" {
		t.Errorf("vmrange %s", got)
	}
}
