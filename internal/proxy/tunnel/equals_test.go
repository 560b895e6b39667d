package tunnel

import (
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A service that stops ends its sockets with a close frame, which the visitor gets; the
// next sockets go to the equal that is left.
func TestEqualsShareTheSockets(t *testing.T) {
	ips := []string{"127.0.0.1", "127.0.0.2"}
	dns, port := upstreamstest.NewDNS(t), upstreamstest.FreePort(t, ips...)
	stops := make(chan struct{})
	var services []*upstreamstest.Service
	for i, ip := range ips {
		service := upstreamstest.NewService(t, ip, ip, port, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			socket, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			ended := socket.CloseRead(r.Context())
			if i > 0 {
				<-ended.Done()
				return
			}
			<-stops
			_ = socket.Close(websocket.StatusGoingAway, "")
		}))
		service.SetHealthHeader(http.Header{health.VersionHeader: {"1.2.3"}})
		services = append(services, service)
	}
	dns.Set("convex.test", ips...)
	addr := caddytest.Run(t, behind(probed(dns, port)))
	testkit.Eventually(t, "both take sockets", func() bool { return firsts() == 2 })
	var sockets []*websocket.Conn
	for range 20 {
		sockets = append(sockets, dial(t, "ws://"+addr, nil))
	}
	first, second := services[0].Requests(), services[1].Requests()
	if first == 0 || second == 0 || first+second != 20 {
		t.Errorf("%d and %d handshakes", first, second)
	}

	services[0].SetHealth(http.StatusServiceUnavailable)
	testkit.Eventually(t, "it takes no more", func() bool { return firsts() == 1 })
	close(stops)
	for range 3 {
		dial(t, "ws://"+addr, nil)
	}
	if services[0].Requests() != first || services[1].Requests() != second+3 {
		t.Errorf("%d and %d handshakes, then %d and %d", first, second, services[0].Requests(), services[1].Requests())
	}
	ended := make(chan websocket.StatusCode, len(sockets))
	for _, socket := range sockets {
		go func() {
			_, _, err := socket.Read(t.Context())
			ended <- closeStatus(err)
		}()
	}
	for range first {
		if status := <-ended; status != websocket.StatusGoingAway {
			t.Errorf("a socket of the service that stopped ended with %v", status)
		}
	}
}

// firsts returns how many addresses new requests go to.
func firsts() (n int) {
	for _, a := range upstreams.States()[0].Addresses {
		if a.First {
			n++
		}
	}
	return n
}
