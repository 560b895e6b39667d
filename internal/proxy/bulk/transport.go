package bulk

import (
	"mime"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/roundtrip"
)

func init() { caddy.RegisterModule(new(Transport)) }

// Transport is the HTTP transport, which also tells the Handler in front of the
// reverse proxy of large answers.
type Transport struct {
	roundtrip.Transport
}

// CaddyModule returns the Caddy module information.
func (*Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.tale_bulk",
		New: func() caddy.Module { return new(Transport) },
	}
}

// RoundTrip sends a request and offers the answer to the Handler.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	a, ok := caddyhttp.GetVar(r.Context(), answerVar).(*answer)
	if !ok {
		return t.Transport.RoundTrip(r)
	}
	a.offered = nil // that of an attempt before this one, which came to nothing
	response, err := t.Transport.RoundTrip(r)
	if err == nil && response.ContentLength >= threshold && !isStream(response.Header) {
		response.Body = a.offer(response.Body)
	}
	return response, err
}

// isStream tells the answers that the reverse proxy flushes after each piece of
// its own.
func isStream(header http.Header) bool {
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	return kind == "text/event-stream" || caddyhttp.IsIncremental(header)
}

var (
	_ http.RoundTripper         = (*Transport)(nil)
	_ caddy.Provisioner         = (*Transport)(nil)
	_ caddy.CleanerUpper        = (*Transport)(nil)
	_ reverseproxy.TLSTransport = (*Transport)(nil)
)
