package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

const (
	// maxTries bounds how often one handshake is tried. The upstream source waits
	// for news between two, so this is not what limits a handshake that is held.
	maxTries = 6
	// triesApart is for sources that do not wait.
	triesApart = time.Millisecond
)

var errNoUpstream = errors.New("no upstreams available")

// statusClientGone is what Caddy logs when the client does not wait.
const statusClientGone = 499

// open does the handshake with an upstream. A handshake has no body and changes
// nothing, so that whatever goes wrong it can be tried again.
func (h *Handler) open(r *http.Request) (*handshake, error) {
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer) // every request has one
	deadline := time.Now().Add(time.Duration(h.TryDuration))
	var err error
	for try := range maxTries {
		repl.Set("http.reverse_proxy.retries", try)
		if try > 0 && !h.waitForNews(r, deadline) {
			break
		}
		var opened *handshake
		if opened, err = h.try(r, repl); err == nil {
			return opened, nil
		}
	}
	return nil, statusError(r, err)
}

// waitForNews lets the source find out what has become of the upstream, and
// reports whether there is time for another try.
func (h *Handler) waitForNews(r *http.Request, deadline time.Time) bool {
	if caching, ok := h.upstreams.(reverseproxy.CachingUpstreamSource); ok && time.Now().Before(deadline) {
		_ = caching.ResetCache(r) // has no news then
	}
	timer := time.NewTimer(triesApart)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return false
	}
	return time.Now().Before(deadline.Add(triesApart))
}

// try does the handshake with the upstream that comes first.
func (h *Handler) try(r *http.Request, repl *caddy.Replacer) (*handshake, error) {
	upstreams, err := h.upstreams.GetUpstreams(r)
	if err != nil {
		return nil, err
	}
	if len(upstreams) == 0 {
		return nil, errNoUpstream
	}
	address := upstreams[0].Dial
	repl.Set("http.reverse_proxy.upstream.address", address)
	repl.Set("http.reverse_proxy.upstream.hostport", address)
	if err := h.waitForTurn(r.Context()); err != nil {
		return nil, err
	}
	defer func() { <-h.opening }()
	conn, err := h.dialer.DialContext(r.Context(), "tcp", address)
	if err != nil {
		return nil, reverseproxy.NewDialError(err)
	}
	h.visitors.BoundUnread(conn)
	opened, err := shake(r.Context(), conn, h.request(r), time.Duration(h.HandshakeTimeout))
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return opened, nil
}

// waitForTurn returns when there are few enough handshakes under way.
func (h *Handler) waitForTurn(ctx context.Context) error {
	patience := time.NewTimer(time.Duration(h.HandshakeTimeout))
	defer patience.Stop()
	select {
	case h.opening <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return fmt.Errorf("too many handshakes are under way: %w", os.ErrDeadlineExceeded)
	}
}

// request returns the handshake for the upstream.
func (h *Handler) request(r *http.Request) []byte {
	out := *r
	out.Header = r.Header.Clone()
	dropHopByHop(out.Header)
	setForwarded(out.Header, r)
	if h.Headers != nil && h.Headers.Request != nil {
		h.Headers.Request.ApplyToRequest(&out)
	}
	for _, name := range []string{"Connection", "Upgrade", "Host", "Content-Length"} {
		delete(out.Header, name)
	}
	if isStream(r) {
		out.Header["Sec-Websocket-Key"] = []string{newKey()}
	}
	spellSocketHeaders(out.Header)
	return requestBytes(&out, out.Header)
}

func statusError(r *http.Request, err error) error {
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case r.Context().Err() != nil || errors.Is(err, context.Canceled):
		return caddyhttp.Error(statusClientGone, err)
	case errors.Is(err, errNoUpstream):
		return caddyhttp.Error(http.StatusServiceUnavailable, err)
	case isNet && netErr.Timeout():
		return caddyhttp.Error(http.StatusGatewayTimeout, err)
	default:
		return caddyhttp.Error(http.StatusBadGateway, err)
	}
}
