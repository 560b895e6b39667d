package visitor

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func init() { caddy.RegisterModule(Handler{}) }

const forwardedFor = "X-Forwarded-For"

// unknown stands in X-Forwarded-For for an address that cannot be read (the word
// is that of RFC 7239, section 6.2).
const unknown = "unknown"

// Handler sets the request variables `client_ip` and `trusted_proxy`, which Caddy
// has set from its own rules: those take a private visitor behind a private
// terminator, and an address that cannot be read, for the terminator itself. It
// must come before everything that reads them.
//
// The visitor is the peer, unless that is trusted and sends X-Forwarded-For. Then
// it is the last address there; with `chain`, the last that is not trusted itself,
// or the first when all are. If that address cannot be read the visitor is nobody:
// `client_ip` is empty. What stands before the visitor's address is a claim that
// no trusted proxy has made, and is removed.
type Handler struct {
	// Networks of peers whose forwarded headers are believed. Default: none.
	Trusted []string `json:"trusted,omitempty"`
	// Look for the visitor behind several trusted proxies. Default: only the peer is one.
	Chain bool `json:"chain,omitempty"`
	// Paths of probes, whose senders forward for no visitor. Default: none.
	Quiet []string `json:"quiet,omitempty"`
	// Every request is redirected to https. Default: it is served.
	Redirects bool `json:"redirects,omitempty"`

	// Names of the site; a terminator that sends another one is told of. Default: any will do.
	Names []string `json:"names,omitempty"`

	trusted networks
	log     *slog.Logger
	notices *notices
}

// notices are given once each: they are about the configuration.
type notices struct {
	silent, unreadable, several, looping sync.Once
	ignored, misnamed                    Notice
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_visitor",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision reads the networks.
func (h *Handler) Provision(ctx caddy.Context) (err error) {
	h.log, h.notices = ctx.Slogger(), new(notices)
	h.trusted, err = parseNetworks(h.Trusted)
	return err
}

// ServeHTTP sets the variables and passes the request on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	peer, ok := ParseAddress(r.RemoteAddr)
	if !ok { // a Unix socket has no address, and is not trusted
		return next.ServeHTTP(w, r)
	}
	h.checkName(r, peer)
	address := peer.String()
	if h.trusted.contain(peer) {
		address = h.behind(r, peer)
		caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, true)
	} else if h.Redirects && r.Header.Get("X-Forwarded-Proto") == "https" && isNear(peer) {
		h.looping(peer)
	} else if r.Header[forwardedFor] != nil && !slices.Contains(h.Quiet, r.URL.Path) {
		h.ignored(peer)
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, address)
	return next.ServeHTTP(w, r)
}

// ignored tells of a proxy in front that is not trusted. Any client can send the header.
func (h *Handler) ignored(peer netip.Addr) {
	h.notices.ignored.Tell(h.log, peer, "X-Forwarded-For ignored: its sender is no trusted proxy, and all its visitors count as one",
		"proxy", peer, "fix", fmt.Sprintf("if that is a proxy of yours: TRUSTED_PROXIES=%s", peer))
}

// looping tells of a terminator in front of a port that redirects: its visitors never arrive.
func (h *Handler) looping(peer netip.Addr) {
	h.notices.looping.Do(func() {
		h.log.Warn("a TLS terminator sends its requests to the port that redirects to https: visitors go in circles",
			"proxy", peer, "fix", "TLS_MODE=external where the terminator has the certificate; else let it pass TLS on to HTTPS_PORT")
	})
}

// checkName tells of a terminator that puts another name in the place of the site's: the app
// makes addresses of it, and compares it with the page's. Probes ask by address or without a
// name, and what is in the stack's network by the name of a service.
func (h *Handler) checkName(r *http.Request, peer netip.Addr) {
	if len(h.Names) == 0 {
		return
	}
	name, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		name = r.Host
	}
	name = strings.TrimSuffix(name, ".") // of a name that is complete
	_, isAddress := netip.ParseAddr(strings.Trim(name, "[]"))
	if name == "" || isAddress == nil || name == "localhost" || slices.Contains(h.Quiet, r.URL.Path) ||
		slices.ContainsFunc(h.Names, func(known string) bool { return strings.EqualFold(known, name) }) ||
		isService(name) && r.Header[forwardedFor] == nil && r.Header["X-Forwarded-Proto"] == nil && r.Header["Sec-Fetch-Mode"] == nil { // of a terminator, or a browser behind one
		return
	}
	h.notices.misnamed.Tell(h.log, peer, "requests come with a host name that is not the site's: the app makes wrong addresses of it, and may refuse sign-ins",
		"host", config.Excerpt(name, 100), "site", strings.Join(h.Names, ", "), "proxy", peer, "fix", "let the TLS terminator pass the Host header on (nginx: proxy_set_header Host $host)")
}

func isService(name string) bool {
	_, is := stack.ServiceNamed(name)
	return is
}

// behind returns the visitor behind the trusted peer, and leaves in
// X-Forwarded-For what handlers further on append the peer to.
func (h *Handler) behind(r *http.Request, peer netip.Addr) (address string) {
	keepForwarded(r.Header)
	said, there := r.Header[forwardedFor]
	if !there {
		if !slices.Contains(h.Quiet, r.URL.Path) {
			h.notices.silent.Do(func() {
				h.log.Warn("a trusted proxy sent no X-Forwarded-For: if it is a TLS terminator, all its visitors look alike, to DASHBOARD_ALLOW too",
					"proxy", peer, "fix", "let it set that header; or name the terminators in TRUSTED_PROXIES")
			})
		}
		return peer.String()
	}
	address, hops := h.resolve(strings.Split(strings.Join(said, ","), ","))
	r.Header[forwardedFor] = []string{strings.Join(hops, ", ")}
	if address == "" {
		h.notices.unreadable.Do(func() {
			h.log.Warn("a trusted proxy sent an X-Forwarded-For that cannot be read: such visitors count as nobody", "proxy", peer, "value", fmt.Sprintf("%.100s", said[len(said)-1]))
		})
	}
	return address
}

// resolve returns the visitor among the addresses, "" if it cannot be told, and
// the hops from there on.
func (h *Handler) resolve(addresses []string) (visitor string, hops []string) {
	for i, text := range slices.Backward(addresses) {
		address, ok := ParseAddress(text)
		if !ok {
			return "", append([]string{unknown}, hops...)
		}
		hops = append([]string{address.String()}, hops...)
		trusted := h.trusted.contain(address)
		if i == 0 || !trusted || !h.Chain {
			if trusted && i > 0 {
				h.notices.several.Do(func() {
					h.log.Info("X-Forwarded-For has several addresses and the last, a private one, is taken for the visitor: if it is a proxy, list all proxies in TRUSTED_PROXIES", "address", address)
				})
			}
			return address.String(), hops
		}
	}
	return "", nil // there is at least one
}

// keepForwarded takes forwarded headers off the list of those that end here: a
// terminator may pass a visitor's Connection header on.
func keepForwarded(header http.Header) {
	for i, value := range header["Connection"] {
		if !strings.Contains(strings.ToLower(value), "x-forwarded-") {
			continue
		}
		names := slices.DeleteFunc(strings.Split(value, ","), func(name string) bool {
			return strings.HasPrefix(strings.ToLower(strings.TrimSpace(name)), "x-forwarded-")
		})
		header["Connection"][i] = strings.Join(names, ",")
	}
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
