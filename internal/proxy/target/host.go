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

// HostName returns the name or the address in a text that is nothing else, but for a port:
// without that, and without brackets. It returns "" of an empty text, which is a host, too.
// Caddy's host matcher looks at what is in front of the last colon only. Applications make
// addresses of all of it, and what stands behind a comma is another host to some.
func HostName(text string) (name string, ok bool) {
	name, port := text, ""
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 && !strings.HasSuffix(text, "]") {
		name, port = text[:colon], text[colon+1:]
	}
	if len(port) > longestPort || strings.Trim(port, digits) != "" {
		return "", false
	}
	if inner, bracketed := strings.CutPrefix(name, "["); bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
		address, err := netip.ParseAddr(inner)
		return inner, bracketed && err == nil && address.Is6() && address.Zone() == ""
	}
	return name, strings.Trim(name, nameCharacters) == ""
}
