package exchange

import (
	"net/http"
	"strings"
)

// IsWebSocket reports whether a request asks for a WebSocket: by an Upgrade
// header (RFC 6455), or by an extended CONNECT over HTTP/2 (RFC 8441) or HTTP/3
// (RFC 9220), which Go's servers mark in two different places.
func IsWebSocket(r *http.Request) bool {
	if r.Method == http.MethodConnect {
		return r.ProtoMajor == 2 && r.Header.Get(":protocol") == "websocket" || r.ProtoMajor == 3 && r.Proto == "websocket"
	}
	upgrades := r.Header["Upgrade"]
	return len(upgrades) == 1 && strings.EqualFold(upgrades[0], "websocket")
}
