package upstreams

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// target is what is asked of an address to learn whether it is healthy.
type target struct {
	port uint16 // zero: the port that requests go to
	path string // begins with a slash, may carry a query
}

// parseTarget reads "/api/health" (same port) or ":9180/readyz" (another port).
func parseTarget(s string) (target, error) {
	rest, other := strings.CutPrefix(s, ":")
	if !other {
		return pathTarget(0, s, s)
	}
	digits, path, found := strings.Cut(rest, "/")
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 {
		return target{}, targetError(s)
	}
	if !found {
		return target{port: uint16(port), path: "/"}, nil
	}
	return pathTarget(uint16(port), "/"+path, s)
}

func pathTarget(port uint16, path, whole string) (target, error) {
	if _, err := url.ParseRequestURI(path); err != nil || path[0] != '/' || strings.ContainsAny(path, " #") {
		return target{}, targetError(whole)
	}
	return target{port: port, path: path}, nil
}

func targetError(s string) error {
	return fmt.Errorf("cannot use probe %q: want a path like /api/health, or another port and a path like :9180/readyz", s)
}

// isStatusPort reports whether the probe asks a status port (package health), whose answers
// are marked as such.
func (t target) isStatusPort() bool { return t.port != 0 && t.path == "/readyz" }

// url returns the probe's address at one address of the upstream.
func (t target) url(at netip.AddrPort) string {
	if t.port != 0 {
		at = netip.AddrPortFrom(at.Addr(), t.port)
	}
	return "http://" + at.String() + t.path
}

// splitUpstream reads "platform:3000", "127.0.0.1:3000" or "[::1]:3000".
func splitUpstream(s string) (host string, port uint16, err error) {
	host, digits, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, upstreamError(s)
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, upstreamError(s)
	}
	return host, uint16(n), nil
}

func upstreamError(s string) error {
	return fmt.Errorf("cannot use upstream %q: want a name or an address with its port, like platform:3000", s)
}
