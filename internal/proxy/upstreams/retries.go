package upstreams

import (
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// maxRetries bounds the tries of one request. Each waits for news of the
// upstream first, so the number is not what limits a request that is held.
const maxRetries = 5

// LoadBalancing returns the retry settings that belong to a [Source] whose hold
// is the given one (zero: [DefaultHold]):
//
//   - policy `first`, because the source puts the address to use first;
//   - a request that reached no upstream (dial error, or none available) is tried
//     again whatever its method;
//   - one that failed later is tried again only if its method is safe (GET, HEAD,
//     OPTIONS): PUT and DELETE are idempotent by the book, but their bodies are
//     streamed and gone, and an HTTP action behind them need not be;
//   - the wait between two tries is the source's, not the proxy's: it ends when a
//     probe has an answer, so a request is tried again within milliseconds, and
//     one that meets an upstream which is down for longer than hold is answered
//     at once.
//
// Leave the proxy's own health checks off: passive ones would take the only
// address out for one failed request. Set the transport's dial timeout to about a
// second, so that an address that vanished leaves time for another.
func LoadBalancing(hold time.Duration) *reverseproxy.LoadBalancing {
	if hold == 0 {
		hold = DefaultHold
	}
	safe := caddyhttp.MatchMethod{http.MethodGet, http.MethodHead, http.MethodOptions}
	return &reverseproxy.LoadBalancing{
		SelectionPolicyRaw: caddyconfig.JSONModuleObject(reverseproxy.FirstSelection{}, "policy", "first", nil),
		Retries:            maxRetries,
		TryDuration:        caddy.Duration(max(hold, newsTimeout)),
		TryInterval:        caddy.Duration(time.Millisecond),
		RetryMatchRaw:      caddyhttp.RawMatcherSets{{"method": caddyconfig.JSON(safe, nil)}},
	}
}
