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
type use struct{ requests, sockets atomic.Int64 }

func (u *use) none() bool { return u.requests.Load() == 0 && u.sockets.Load() == 0 }

// now returns the state with what is under way now.
func (s State) now() State {
	s.Addresses = slices.Clone(s.Addresses)
	for i := range s.Addresses {
		a := &s.Addresses[i]
		a.Requests, a.Sockets = a.use.requests.Load(), a.use.sockets.Load()
	}
	return s
}

// using counts one request, or one socket, at the address that it was offered last.
type using struct {
	count func(*use) *atomic.Int64

	mu    sync.Mutex
	at    *use
	ended bool
	kept  bool // it outlives its request
}

// usingOf returns what counts a request. The count ends with the request.
func usingOf(r *http.Request) *using {
	u, ok := caddyhttp.GetVar(r.Context(), usingVar).(*using)
	if !ok {
		u = &using{count: func(at *use) *atomic.Int64 { return &at.requests }}
		if exchange.IsWebSocket(r) {
			u.count = func(at *use) *atomic.Int64 { return &at.sockets }
		}
		caddyhttp.SetVar(r.Context(), usingVar, u)
		context.AfterFunc(r.Context(), u.requestEnded)
	}
	return u
}

// move counts at another address from now on.
func (u *using) move(to *use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended || u.at == to {
		return
	}
	if u.at != nil {
		u.count(u.at).Add(-1)
	}
	if u.at = to; to != nil {
		u.count(to).Add(1)
	}
}

func (u *using) requestEnded() {
	u.mu.Lock()
	kept := u.kept
	u.mu.Unlock()
	if !kept {
		u.end()
	}
}

func (u *using) end() {
	u.move(nil)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
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
