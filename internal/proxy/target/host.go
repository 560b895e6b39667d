package target

import (
	"net/netip"
	"strings"
)

const (
	digits         = "0123456789"
	nameCharacters = "-._" + digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	longestPort    = 5
)

// isHost reports whether a text is a name or an address, perhaps with a port, or nothing.
// Caddy's host matcher looks at what is in front of the last colon only, and takes brackets
// off. Applications make addresses of all of it, and what stands behind a comma is another
// host to some.
func isHost(text string) bool {
	name, port := text, ""
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 && !strings.HasSuffix(text, "]") {
		name, port = text[:colon], text[colon+1:]
	}
	if len(port) > longestPort || strings.Trim(port, digits) != "" {
		return false
	}
	if inner, bracketed := strings.CutPrefix(name, "["); bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
		address, err := netip.ParseAddr(inner)
		return bracketed && err == nil && address.Is6() && address.Zone() == ""
	}
	return strings.Trim(name, nameCharacters) == ""
}
