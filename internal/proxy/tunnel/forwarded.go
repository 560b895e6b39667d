package tunnel

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// hopByHop are headers that end at the proxy (RFC 9110, section 7.6.1), and the
// unofficial ones in use.
var hopByHop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Alt-Svc",
}

// dropHopByHop removes what is meant for this connection only, by name or
// because the Connection header says so.
func dropHopByHop(header http.Header) {
	for _, value := range header["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hopByHop {
		delete(header, name)
	}
}

// setForwarded says who asked, as Caddy's reverse proxy does: what a trusted peer
// said is kept and continued, what anybody else said is replaced.
func setForwarded(header http.Header, r *http.Request) {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	kept := func(name string) string {
		if !trusted {
			return ""
		}
		return strings.Join(header[name], ", ")
	}
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil { // a Unix socket has no address
		peer = ""
	}
	peer, _, _ = strings.Cut(peer, "%")
	proto := "http"
	if r.TLS != nil {
		proto = "https"
	}
	set(header, "X-Forwarded-For", joined(kept("X-Forwarded-For"), peer))
	set(header, "X-Forwarded-Proto", last(kept("X-Forwarded-Proto"), proto))
	set(header, "X-Forwarded-Host", last(kept("X-Forwarded-Host"), r.Host))
	header["Via"] = append(header["Via"], strconv.Itoa(r.ProtoMajor)+"."+strconv.Itoa(r.ProtoMinor)+" Caddy")
}

func set(header http.Header, name, value string) {
	if value == "" {
		delete(header, name)
		return
	}
	header[name] = []string{value}
}

func joined(before, peer string) string {
	if before == "" || peer == "" {
		return before + peer
	}
	return before + ", " + peer
}

// last returns the value nearest to us of those said, or the one we know.
func last(said, known string) string {
	if said == "" {
		return known
	}
	return strings.TrimSpace(said[strings.LastIndexByte(said, ',')+1:])
}

// socketHeaders are spelled as in RFC 6455 on the wire: some servers compare
// bytes.
var socketHeaders = map[string]string{
	"Sec-Websocket-Accept":     "Sec-WebSocket-Accept",
	"Sec-Websocket-Extensions": "Sec-WebSocket-Extensions",
	"Sec-Websocket-Key":        "Sec-WebSocket-Key",
	"Sec-Websocket-Protocol":   "Sec-WebSocket-Protocol",
	"Sec-Websocket-Version":    "Sec-WebSocket-Version",
}

// spellSocketHeaders renames them; Header.Get does not find them afterwards.
func spellSocketHeaders(header http.Header) {
	for canonical, official := range socketHeaders {
		if values, ok := header[canonical]; ok {
			delete(header, canonical)
			header[official] = values
		}
	}
}
