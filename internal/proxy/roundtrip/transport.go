package roundtrip

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/body"
	"github.com/tale-project/tale-runtime/internal/proxy/limits"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
)

// continueTimeout is how long an upstream may consider whether it wants a body.
// One that does not know of Expect says nothing, and gets the body then.
const continueTimeout = time.Second

// Transport is Caddy's HTTP transport, but for some things:
//
//   - an answer that comes before the upstream has read the body is not lost when
//     the upstream then closes the connection
//   - the body of a request with `Expect: 100-continue` is not sent before the
//     upstream asks for it, or has said nothing for a second
//   - a body that the visitor fails to send is no failure of the upstream
//   - an upstream that switches to another protocol unasked has not answered
//   - what an upstream sends behind an answer is not the answer to the next request
//   - the kernel keeps a bounded part of an answer that the visitor does not take
//   - upstreams are asked directly, and not by way of HTTP_PROXY and its kin
//   - a dial does not look at the variables of its request: it goes on when the request
//     has got another connection, and then the request's own goroutine writes to them
type Transport struct {
	reverseproxy.HTTPTransport
	visitors *limits.App
}

// Provision makes the transport.
func (t *Transport) Provision(ctx caddy.Context) error {
	if t.ExpectContinueTimeout == 0 {
		t.ExpectContinueTimeout = caddy.Duration(continueTimeout)
	}
	t.NetworkProxyRaw = []byte(`{"from":"none"}`)
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	var err error
	if t.visitors, err = limits.Of(ctx); err != nil {
		return err
	}
	dial := t.Transport.DialContext
	t.Transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		inner, err := dial(context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any(nil)), network, address)
		if err != nil {
			return nil, err
		}
		t.visitors.BoundUnread(inner)
		return newConn(inner), nil
	}
	return nil
}

// RoundTrip sends a request. One that expects to be asked for its body is the last
// of its connection: net/http would send the body of any other, wanted or not. So is a
// HEAD: a server that sends a body all the same would begin the next answer with it.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var used reuse
	watched := used.watch(r)
	if r.Header["Expect"] != nil || r.Method == http.MethodHead {
		if watched == r {
			watched = r.WithContext(r.Context())
		}
		watched.Close = true
	}
	response, err := t.HTTPTransport.RoundTrip(watched)
	switch {
	case err == nil && used.stray.Load():
		_ = response.Body.Close()
		err = errStray
	case err == nil:
		err = httpclient.RefuseSwitch(watched, response)
	default:
		if fault := body.Fault(r); fault != nil {
			err = fault
		}
	}
	if err != nil {
		return nil, err
	}
	acceptReset(r, response)
	return t.visitors.Answer(r, response), nil
}

var _ http.RoundTripper = (*Transport)(nil)
