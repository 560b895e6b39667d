package upstreams

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// maxRetries bounds the tries of one request. A request that breaks the
// application must not be given many chances to do so; one that is held needs
// only one, because the source waits before it.
const maxRetries = 3

// LoadBalancing returns the retry settings that belong to a [Source]:
//
//   - policy `first`, because the source returns only the address to use;
//   - a request that reached no upstream (dial error, or none available) is tried
//     again whatever its method;
//   - one that failed later is tried again only if its method is safe (GET, HEAD,
//     OPTIONS): PUT and DELETE are idempotent by the book, but their bodies are
//     streamed and gone, and an HTTP action behind them need not be;
//   - there is no pause between two tries and no limit to their time: both are the
//     source's. It waits until a probe has an answer, so a request is tried again
//     within milliseconds, one that meets a restart is held for the source's hold,
//     and one that meets an upstream which is down for longer is answered at once.
//     (Caddy's own try_duration counts from the beginning of the request, and so
//     would not try a download again that broke after a while.)
//
// Leave the proxy's own health checks off: passive ones would take the only
// address out for one failed request. Set the transport's dial timeout to about a
// second, so that an address that vanished leaves time for another.
func LoadBalancing() *reverseproxy.LoadBalancing {
	safe := caddyhttp.MatchMethod{http.MethodGet, http.MethodHead, http.MethodOptions}
	return &reverseproxy.LoadBalancing{
		SelectionPolicyRaw: caddyconfig.JSONModuleObject(reverseproxy.FirstSelection{}, "policy", "first", nil),
		Retries:            maxRetries,
		RetryMatchRaw:      caddyhttp.RawMatcherSets{{"method": caddyconfig.JSON(safe, nil)}},
	}
}
