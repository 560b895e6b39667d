package upstreams

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"
)

// usingVar is where a request keeps which address it uses.
const usingVar = "tale.upstreams.using"

// use counts what is under way at one address.
type use struct{ requests, sockets, offered atomic.Int64 }

func (u *use) of(sockets bool) int64 {
	if sockets {
		return u.sockets.Load()
	}
	return u.requests.Load()
}

func (u *use) none() bool { return u.requests.Load() == 0 && u.sockets.Load() == 0 }

// now returns the state with what is under way now.
func (s State) now() State {
	s.Addresses = slices.Clone(s.Addresses)
	for i := range s.Addresses {
		a := &s.Addresses[i]
		a.Requests, a.Sockets, a.Offered = a.use.requests.Load(), a.use.sockets.Load(), a.use.offered.Load()
	}
	return s
}

// using counts one request, or one socket, at the address that it was offered last.
type using struct {
	socket bool

	mu    sync.Mutex
	at    *use
	ended bool
	kept  bool // it outlives its request
}

// usingOf returns what counts a request. The count ends with the request.
func usingOf(r *http.Request) *using {
	u, ok := caddyhttp.GetVar(r.Context(), usingVar).(*using)
	if !ok {
		u = &using{socket: exchange.IsWebSocket(r)}
		caddyhttp.SetVar(r.Context(), usingVar, u)
		context.AfterFunc(r.Context(), u.requestEnded)
	}
	return u
}

// move counts at another address from now on.
func (u *using) move(to *use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.ended && u.at != to {
		u.add(-1)
		u.at = to
		u.add(1)
		to.offered.Add(1)
	}
}

func (u *using) add(n int64) {
	switch {
	case u.at == nil:
	case u.socket:
		u.at.sockets.Add(n)
	default:
		u.at.requests.Add(n)
	}
}

func (u *using) requestEnded() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.kept {
		u.leave()
	}
}

func (u *using) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.leave()
}

func (u *using) leave() {
	u.add(-1)
	u.at, u.ended = nil, true
}

// Keep makes a socket count after its handler has returned, until release is called.
// It must be called before that.
func Keep(r *http.Request) (release func()) {
	u := usingOf(r)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kept = true
	return u.end
}
