package bluegreen

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const alias = "platform.bluegreen.test"

// rotation is a deployment tool with one name, one port and two addresses.
type rotation struct {
	t      *testing.T
	chance *rand.Rand
	dns    *upstreamstest.DNS
	ips    [2]string
	port   string

	current *container
	turn    int
}

// begin starts the first colour and waits until it serves.
func (r *rotation) begin() {
	r.current = r.next(0)
	r.dns.Set(alias, r.current.ip)
	r.awaitHealthy(r.current)
}

func (r *rotation) next(boots time.Duration) *container {
	name := fmt.Sprintf("colour %d", r.turn)
	c := startColour(r.t, name, "", r.ips[r.turn%2], r.port, boots)
	r.turn++
	return c
}

// awaitHealthy asks the colour itself, as a deployment tool does; when the proxy
// sees it is another matter.
func (r *rotation) awaitHealthy(c *container) {
	r.t.Helper()
	testkit.Eventually(r.t, "the colour is healthy", func() bool {
		res, err := http.Get("http://" + c.ip + ":" + r.port + "/api/health")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// swap replaces the current colour and says how that was ended. The name lists
// both from the moment the next one exists, which is before it has booted, and
// the old one until it is gone. When that is, relative to what the proxy knows,
// is left to chance.
func (r *rotation) swap(visitors *load) syscall.Signal {
	r.t.Helper()
	boots := time.Duration(r.chance.Int64N(int64(*boot)))
	next := r.next(boots)
	r.dns.Set(alias, r.current.ip, next.ip)
	r.awaitHealthy(next)
	<-time.After(time.Duration(r.chance.Int64N(int64(3 * time.Second))))
	ended, dead := syscall.SIGTERM, func() {}
	if r.chance.IntN(2) == 0 {
		ended, dead = syscall.SIGKILL, visitors.expectKill()
	}
	r.current.stop(ended)
	dead()
	r.dns.Set(alias, next.ip)
	taken := visitors.answeredBy(fmt.Sprintf("colour %d", r.turn-1))
	testkit.Eventually(r.t, "visitors get to the next colour", func() bool {
		return visitors.answeredBy(fmt.Sprintf("colour %d", r.turn-1)) > taken
	})
	r.current = next
	return ended
}
