package upstreams

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// ask returns a request of a visitor who leaves when leave is called.
func ask(t *testing.T, header http.Header) (r *http.Request, leave func()) {
	t.Helper()
	ctx, leave := context.WithCancel(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
	r = httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header = header
	return r, leave
}

// offered returns how often an address was given a request or a socket.
func offered(address string) int64 {
	for _, a := range States()[0].Addresses {
		if a.Address == address {
			return a.Offered
		}
	}
	return -1
}

// under waits until so many requests and sockets are under way at the address.
func under(t *testing.T, address string, requests, sockets int64) {
	t.Helper()
	testkit.Eventually(t, address+" has them", func() bool {
		for _, a := range States()[0].Addresses {
			if a.Address == address {
				return a.Requests == requests && a.Sockets == sockets
			}
		}
		return requests+sockets == 0
	})
}

func TestWhatIsUnderWayIsCountedWhereItIs(t *testing.T) {
	stage := newStage(t)
	blue, green := stage.service(t, "blue", blueIP), stage.service(t, "green", greenIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	waitForOffers(t, source, blue)
	offer := func(r *http.Request) {
		if list, err := source.GetUpstreams(r); err != nil || len(list) == 0 {
			t.Fatalf("%d addresses, %v", len(list), err)
		}
	}
	request, answered := ask(t, http.Header{})
	h2Socket, closed := ask(t, http.Header{"Upgrade": {"websocket"}})
	h1Socket, returned := ask(t, http.Header{"Upgrade": {"websocket"}})
	before := offered(blue.Addr())
	for _, r := range []*http.Request{request, h2Socket, h1Socket, request} { // the last one again
		offer(r)
	}
	if n := offered(blue.Addr()) - before; n != 3 {
		t.Errorf("given %d times more, of which the second of one request does not count", n)
	}
	release := Keep(h1Socket)
	returned() // the handler, not the socket
	under(t, blue.Addr(), 1, 2)

	stage.dns.Set(alias, greenIP)
	waitForOffers(t, source, green)
	before = offered(green.Addr())
	offer(request) // tried again
	under(t, green.Addr(), 1, 0)
	under(t, blue.Addr(), 0, 2) // it has left, and is still there for them
	if n := offered(green.Addr()) - before; n != 1 {
		t.Errorf("a request that is tried again was given %d times more", n)
	}
	closed()
	under(t, blue.Addr(), 0, 1)

	stage.dns.Set(alias, greenIP, blueIP)
	waitForOffers(t, source, blue, green)
	under(t, blue.Addr(), 0, 1) // it is back
	release()
	answered()
	under(t, blue.Addr(), 0, 0)
	under(t, green.Addr(), 0, 0)
	stage.dns.Set(alias, greenIP)
	waitForOffers(t, source, green)
	if n := len(States()[0].Addresses); n != 1 {
		t.Errorf("an address that left and is not used is still known: %d", n)
	}
}
