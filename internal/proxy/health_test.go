package proxy

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// nobody returns an address on which nothing listens.
func nobody(t *testing.T) string { return "127.0.0.1:" + testkit.FreePort(t) }

func (p *running) onHealthPort(target string) *http.Response {
	p.Helper()
	response, err := http.Get("http://" + p.settings.HealthAddr + target)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = response.Body.Close() })
	return response
}

type deepAnswer struct {
	Available bool
	Upstreams []struct {
		Upstream  string
		Available bool
		Addresses []struct{ Address, Reason string }
	}
}

func readDeep(t *testing.T, response *http.Response) deepAnswer {
	t.Helper()
	var answer deepAnswer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestHealthWhenAllIsWell(t *testing.T) {
	p := start(t, nil)
	for _, response := range []*http.Response{p.get("/health", nil), p.onHealthPort("/health")} {
		if body := text(t, response); response.StatusCode != http.StatusOK || body != "OK" {
			t.Errorf("%d %q", response.StatusCode, body)
		}
	}
	response := p.get("/health?deep", nil)
	if answer := readDeep(t, response); response.StatusCode != http.StatusOK || !answer.Available || len(answer.Upstreams) != 2 {
		t.Errorf("deep: %d %+v", response.StatusCode, answer)
	}
}

// A new proxy takes no visitors while another one has upstreams that it has not, which a
// cluster's network may let it reach some seconds later; an outage is not to last longer by it.
func TestReadyWaitsForUpstreams(t *testing.T) {
	down := nobody(t)
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": down})
	for _, c := range []struct {
		query string
		code  int
		says  string
	}{
		{"", http.StatusOK, "OK"},
		{"&upstreams=1h", http.StatusServiceUnavailable, "NOT READY; " + down + " is not available yet"},
		{"&upstreams=1ns", http.StatusOK, "OK"},
		{"&upstreams=soon", http.StatusBadRequest, "upstreams: time: invalid duration \"soon\""},
	} {
		response := p.onHealthPort("/health?ready" + c.query)
		if said := text(t, response); response.StatusCode != c.code || said != c.says {
			t.Errorf("%q: %d %q, want %d %q", c.query, response.StatusCode, said, c.code, c.says)
		}
	}
}

func TestReadyWithItsUpstreams(t *testing.T) {
	p := start(t, nil)
	testkit.Eventually(t, "it is ready with its upstreams", func() bool {
		return p.onHealthPort("/health?ready&upstreams=1h").StatusCode == http.StatusOK
	})
}

func TestDeepHealthWhenTheApplicationIsAway(t *testing.T) {
	down := nobody(t)
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": down})
	if body := text(t, p.get("/health", nil)); body != "OK" {
		t.Errorf("the proxy itself: %q", body)
	}
	response := p.get("/health?deep=1", nil)
	answer := readDeep(t, response)
	if response.StatusCode != http.StatusServiceUnavailable || answer.Available {
		t.Errorf("deep: %d %+v", response.StatusCode, answer)
	}
	for _, upstream := range answer.Upstreams {
		if upstream.Available != (upstream.Upstream != down) || len(upstream.Addresses) > 0 {
			t.Errorf("the public sees %+v", upstream)
		}
	}
	private := readDeep(t, p.onHealthPort("/health?deep"))
	if !strings.Contains(fmt.Sprint(private), "refused") {
		t.Errorf("the operator does not see why: %+v", private)
	}
}

func TestMetricsOfTheProxyAreOnTheHealthPort(t *testing.T) {
	p := start(t, nil)
	for _, want := range []string{"tale_proxy_upstream_healthy", "tale_proxy_tunnels_open", "go_goroutines"} {
		if !strings.Contains(text(t, p.onHealthPort("/metrics")), want) {
			t.Errorf("no %s", want)
		}
	}
	if got := p.onHealthPort("/").StatusCode; got != http.StatusNotFound {
		t.Errorf("anything else: %d", got)
	}
}

func TestAnUpstreamThatIsAwayIsExplainedAtOnce(t *testing.T) {
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": nobody(t), "CONVEX_UPSTREAM": nobody(t), "DASHBOARD_UPSTREAM": nobody(t)})
	browser := http.Header{"Accept": {"text/html,application/xhtml+xml,*/*;q=0.8"}, "Sec-Fetch-Mode": {"navigate"}}
	for _, target := range []string{"/", "/api/x", "/convex-dashboard/"} {
		began := time.Now()
		response := p.get(target, browser)
		body := text(t, response)
		if response.StatusCode != http.StatusServiceUnavailable && response.StatusCode != http.StatusBadGateway || !strings.Contains(body, "<html") {
			t.Errorf("%s: %d %.80s", target, response.StatusCode, body)
		}
		for header, want := range map[string]string{"Retry-After": "5", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Server": ""} {
			if got := response.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q", target, header, got)
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: it took %v", target, took)
		}
		response = p.get(target, http.Header{"Accept": {"application/json"}})
		if got := response.Header.Get("Content-Type"); got != "application/json" {
			t.Errorf("%s: a program gets %s", target, got)
		}
	}
	if response, _ := p.upgrade("/ws_api/api/1.2.3/sync", "websocket"); response.StatusCode < 500 {
		t.Errorf("socket: %d", response.StatusCode)
	}
}

func TestRequestIDs(t *testing.T) {
	p := start(t, nil)
	for _, target := range []string{"/", "/api/x", "/convex-dashboard/"} {
		response := p.get(target, http.Header{"Connection": {"X-Request-Id"}})
		id := response.Header.Get("X-Request-Id")
		if got := echoed(t, response).Header.Get("X-Request-Id"); id == "" || got != id {
			t.Errorf("%s: the client sees id %q, the upstream %q", target, id, got)
		}
	}
	if got := p.get("/nope", http.Header{"X-Request-Id": {"abc-123"}}).Header.Get("X-Request-Id"); got != "abc-123" {
		t.Errorf("an id from outside became %q", got)
	}
}

func TestRequestsAreLoggedWithoutSecrets(t *testing.T) {
	t.Parallel()
	p := spawnReady(t, environ(t, config.Environ{"TALE_LOG_FORMAT": "json", "TLS_MODE": "external"}))
	response := p.get("/api/storage/upload?token=canary&x=1", http.Header{"Authorization": {"Bearer canary"}, "Cookie": {"s=canary"}})
	_, _ = io.Copy(io.Discard, response.Body)
	p.get("/health", nil)
	p.Expect(`"path":"/api/storage/upload"`)
	if log := p.Output.String(); strings.Contains(log, "canary") || strings.Contains(log, `"path":"/health"`) {
		t.Error("the log has a secret or a probe in it")
	}
	for line := range strings.Lines(p.Output.String()) {
		var record struct{ Time, Level, Msg string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Msg == "" || record.Level == "" {
			t.Errorf("not in the shape of our log: %s", line)
		}
	}
}

// The public learns its own address there, and how the proxy came to it.
func TestDeepHealthKnowsTheVisitor(t *testing.T) {
	p := start(t, config.Environ{"TLS_MODE": "external"})
	for said, want := range map[string]string{"": "127.0.0.1 false", "192.168.1.5": "192.168.1.5 true", "unknown": " true"} {
		header := http.Header{}
		if said != "" {
			header.Set("X-Forwarded-For", said)
		}
		var answer struct {
			Visitor   string
			Forwarded bool
		}
		if err := json.NewDecoder(p.get("/health?deep", header).Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(answer.Visitor, " ", answer.Forwarded); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
