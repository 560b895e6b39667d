package tunnel

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// Sockets that all come back together are opened a few at a time, and all of them.
func TestHandshakesWithUpstreamsTakeTurns(t *testing.T) {
	const sockets = 5 * maxOpening
	var now, most atomic.Int32
	release := make(chan struct{})
	target := rawUpstream(t, func(conn net.Conn) {
		most.Store(max(most.Load(), now.Add(1)))
		<-release
		now.Add(-1)
		_, _ = io.WriteString(conn, accepted)
		_, _ = io.Copy(io.Discard, conn)
	})
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target)}))
	statuses := make(chan int, sockets)
	for range sockets {
		conn := rawHandshake(t, addr)
		go func() {
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				statuses <- 0
				return
			}
			_ = response.Body.Close()
			statuses <- response.StatusCode
		}()
	}
	testkit.Eventually(t, "as many as may are under way", func() bool { return now.Load() == maxOpening })
	close(release)
	for range sockets {
		if status := <-statuses; status != http.StatusSwitchingProtocols {
			t.Errorf("a socket was answered %d", status)
		}
	}
	if most.Load() > maxOpening {
		t.Errorf("%d handshakes were under way at once", most.Load())
	}
}
