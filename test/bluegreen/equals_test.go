package bluegreen

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// equals is how many containers of one version run beside each other.
const equals = 3

func TestARolloutOfEqualsCostsNoVisitorAnything(t *testing.T) {
	chance := rand.New(rand.NewPCG(*seed, 1))
	network := "127." + strconv.Itoa(1+chance.IntN(250)) + "." + strconv.Itoa(chance.IntN(250)) + "."
	var ips []string
	for i := range 2 * equals {
		ips = append(ips, network+strconv.Itoa(1+i))
	}
	r := &rotation{t: t, dns: upstreamstest.NewDNS(t), port: strconv.Itoa(upstreamstest.FreePort(t, ips...))}
	old := r.startEquals("old", "1", ips[:equals])
	r.dns.Set(alias, ips[:equals]...)
	p := startProxy(t, r)
	transport := &http.Transport{TLSClientConfig: p.TLS, MaxIdleConnsPerHost: 128, DialContext: p.Dial}
	t.Cleanup(transport.CloseIdleConnections)
	visitors := startLoad(t, "https://"+siteName+"/page", transport)
	awaitAnswersOf(t, visitors, "old")
	held := openSockets(t, p.Address, siteName, p.TLS)

	r.startEquals("new", "2", ips[equals:])
	r.dns.Set(alias, ips...)
	awaitAnswersOf(t, visitors, "new")
	for i, one := range old {
		one.stop(syscall.SIGTERM)
		r.dns.Set(alias, ips[i+1:]...)
	}
	visitors.finish()
	held.finish()
	t.Logf("answers: %v", visitors.answers)
}

// startEquals starts containers of one version, and waits until they are healthy.
func (r *rotation) startEquals(name, version string, ips []string) (all []*container) {
	r.t.Helper()
	for i, ip := range ips {
		all = append(all, startColour(r.t, fmt.Sprintf("%s %d", name, i), version, ip, r.port, 0))
	}
	for _, one := range all {
		r.awaitHealthy(one)
	}
	return all
}

// awaitAnswersOf waits until each of the equals answers visitors.
func awaitAnswersOf(t *testing.T, visitors *load, name string) {
	t.Helper()
	for i := range equals {
		testkit.Eventually(t, "all answer", func() bool { return visitors.answeredBy(fmt.Sprintf("%s %d", name, i)) >= 10 })
	}
}
