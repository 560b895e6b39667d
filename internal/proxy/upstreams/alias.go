package upstreams

import (
	"net/http"
	"slices"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// onlyVar is where a request keeps the one address that it is for.
const onlyVar = "tale.upstreams.only"

// Alias looks at an upstream that a Source of the same process probes. The zero
// value with a Name is ready for use, by several goroutines at once.
type Alias struct {
	Name  string // as the Source has it, like platform:3000
	found atomic.Pointer[prober]
}

// View is what a request meets at one moment.
type View struct {
	// Addresses take requests. It must not be changed, like Older.
	Addresses []string
	// Older has one of them for each release that is not the newest, newer ones first.
	Older []string
	// Version is another one when an address joins those that new requests go to, or
	// becomes healthy again: then it may serve another version of the application. It
	// is never 0 where there is an address.
	Version uint64
}

// Now returns the present view; an upstream that nothing probes has no address.
func (a *Alias) Now() View {
	p := a.found.Load()
	if p == nil {
		all := probers()
		i := slices.IndexFunc(all, func(p *prober) bool { return p.settings.upstream == a.Name })
		if i < 0 {
			return View{}
		}
		p = all[i]
		a.found.Store(p)
	}
	return p.snapshot.Load().view
}

// Only sends a request to this address of its upstream as long as that is healthy, or
// with "" to any.
func Only(r *http.Request, address string) { caddyhttp.SetVar(r.Context(), onlyVar, address) }

// only returns the address that a request is for, or the list as it was.
func only(r *http.Request, list []serving) []serving {
	address, _ := caddyhttp.GetVar(r.Context(), onlyVar).(string)
	i := slices.IndexFunc(list, func(s serving) bool { return s.dial == address })
	if i < 0 {
		return list
	}
	return list[i : i+1]
}
