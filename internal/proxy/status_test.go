package proxy

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	healthport "github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/proxy/health"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// first returns the address that requests to an upstream go to.
func first(t *testing.T, env config.Environ, upstream string) (a upstreams.AddressState) {
	t.Helper()
	code, out := commandLine(env, "status", "--json")
	var document health.Document
	if err := json.Unmarshal([]byte(out), &document); code != 0 || err != nil {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	for _, state := range document.Upstreams {
		if state.Upstream == upstream && len(state.Addresses) > 0 && state.Addresses[0].First {
			return state.Addresses[0]
		}
	}
	t.Fatalf("nothing serves %s: %s", upstream, out)
	return a
}

func TestStatusShowsWhatIsUnderWay(t *testing.T) {
	answer := make(chan struct{})
	platform := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(healthport.VersionHeader, "1.2.3")
		if r.URL.Path == "/slow" {
			<-answer
		}
	}))
	env := environ(t, config.Environ{"PLATFORM_UPSTREAM": platform})
	p := start(t, env)
	backend := env["CONVEX_UPSTREAM"]
	status := make(chan int)
	go func() { status <- p.get("/slow", nil).StatusCode }()
	testkit.Eventually(t, "the request is under way", func() bool { return first(t, env, platform).Requests == 1 })
	_, _ = p.upgrade("/api/1.2.3/sync", "websocket")
	testkit.Eventually(t, "the socket is open", func() bool { return first(t, env, backend).Sockets == 1 })
	if a := first(t, env, backend); a.Requests != 0 {
		t.Errorf("a socket is a request, too: %+v", a)
	}
	if a := first(t, env, platform); a.Version != "1.2.3" || a.Sockets != 0 || a.Offered != 1 {
		t.Errorf("the platform is %+v", a)
	}
	close(answer)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the request ends with %d", got)
	}
	testkit.Eventually(t, "the request is over", func() bool { return first(t, env, platform).Requests == 0 })
}

func TestStatusInWords(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	document := &health.Document{Upstreams: []upstreams.State{{
		Upstream: "platform:3000", Available: true, Since: now.Add(-90 * time.Second),
		Addresses: []upstreams.AddressState{
			{Address: "10.0.0.3:3000", Healthy: true, Serving: true, First: true, Since: now.Add(-time.Minute), Version: "1.4", Requests: 2, Sockets: 30, Offered: 400, Took: 0.004},
			{Address: "10.0.0.2:3000", Healthy: true, Serving: true, Since: now.Add(-time.Hour), Took: 0.1},
			{Address: "10.0.0.4:3000", Since: now.Add(-time.Second), Reason: "status 503"},
			{Address: "10.0.0.1:3000", Gone: true, Since: now.Add(-5 * time.Second), Version: "1.3", Sockets: 7, Took: 0.002},
		},
	}, {Upstream: "convex:3210", Since: now.Add(-time.Second), Resolver: "no such host"}}}
	const want = `platform:3000  available for 1m30s
  ADDRESS        ROLE       FOR     VERSION  REQUESTS  SOCKETS  OFFERED  LAST PROBE
  10.0.0.3:3000  first      1m0s    1.4      2         30       400      passed in 4ms
  10.0.0.2:3000  fallback   1h0m0s  –        0         0        0        passed in 100ms
  10.0.0.4:3000  unhealthy  1s      –        0         0        0        status 503
  10.0.0.1:3000  draining   5s      1.3      0         7        0        passed in 2ms
convex:3210  not available for 1s; its name cannot be resolved: no such host
`
	var out strings.Builder
	if err := writeStatus(&out, document, now); err != nil || out.String() != want {
		t.Errorf("%v:\n%s\nwant\n%s", err, out.String(), want)
	}
}
