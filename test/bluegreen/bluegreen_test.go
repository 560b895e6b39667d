package bluegreen

import (
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/proxytest"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const siteName = "site.test"

func TestSwitchesCostNoVisitorAnything(t *testing.T) {
	t.Logf("-seed %d", *seed)
	// Addresses that no other test uses, so that another's port is not in the way.
	chance := rand.New(rand.NewPCG(*seed, 0))
	network := "127." + strconv.Itoa(1+chance.IntN(250)) + "." + strconv.Itoa(chance.IntN(250))
	ips := [2]string{network + ".1", network + ".2"}
	r := &rotation{t: t, chance: chance, dns: upstreamstest.NewDNS(t), ips: ips, port: strconv.Itoa(upstreamstest.FreePort(t, ips[:]...))}
	r.begin()
	p := startProxy(t, r)
	transport := &http.Transport{TLSClientConfig: p.TLS, MaxIdleConnsPerHost: 128, DialContext: p.Dial}
	t.Cleanup(transport.CloseIdleConnections)
	held := openSockets(t, p.Address, siteName, p.TLS)
	visitors := startLoad(t, "https://"+siteName+"/page", transport)
	opened := &pages{t: t, url: "https://" + siteName, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
	count := map[syscall.Signal]int{}
	for range *switches {
		finish := opened.begin(*pageLoads / *switches)
		count[r.swap(visitors)]++
		finish()
	}
	t.Logf("%d pages opened before a switch loaded %d parts after it", opened.loaded.Load(), opened.found.Load())
	visitors.finish()
	held.finish()
	t.Logf("%d switches, the old colour ended with: %v", *switches, count)
}

// startProxy runs the proxy in front of the rotation.
func startProxy(t *testing.T, r *rotation) *proxytest.Process {
	t.Helper()
	convex := httptest.NewServer(http.HandlerFunc(backend))
	t.Cleanup(convex.Close)
	log := &testkit.Buffer{}
	t.Cleanup(func() { keepLog(t, log.String()) })
	return proxytest.Start(t, *proxyBinary, siteName, log, config.Environ{
		"UPSTREAM_RESOLVER": r.dns.Addr(), "PLATFORM_UPSTREAM": alias + ":" + r.port,
		"CONVEX_UPSTREAM": convex.Listener.Addr().String(), "DASHBOARD_UPSTREAM": convex.Listener.Addr().String(),
	})
}

// keepLog shows what the proxy said about its upstreams when the test failed.
func keepLog(t *testing.T, log string) {
	t.Helper()
	if t.Failed() {
		t.Logf("the proxy's log, without requests:\n%s", withoutRequests(log))
	}
}

func withoutRequests(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "/page") || strings.Contains(line, "error") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
