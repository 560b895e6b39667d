package upstreams

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// lookupTimeout bounds one resolution. It is below the time a stuck resolver
// would take by itself (5 s per try), so that a change is not seen late.
const lookupTimeout = 2 * time.Second

// resolver turns the upstream's host into addresses.
type resolver struct {
	host string
	port uint16
	dns  *net.Resolver // nil: host is an address already
}

// newResolver asks the system's name servers, or the one at server if it is not
// empty.
//
// It is always Go's own resolver, and a strict one: a name server that answers
// for IPv4 and fails for IPv6 is an error then, not a set that lost half of its
// addresses.
func newResolver(host string, port uint16, server string) *resolver {
	if _, err := netip.ParseAddr(host); err == nil {
		return &resolver{host: host, port: port}
	}
	dns := &net.Resolver{PreferGo: true, StrictErrors: true}
	if server != "" {
		dns.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server)
		}
	}
	return &resolver{host: host, port: port, dns: dns}
}

// static reports whether there is nothing to resolve.
func (r *resolver) static() bool { return r.dns == nil }

// lookup returns the sorted addresses of the upstream, IPv4 and IPv6. A name
// that does not exist has none; an error means that nobody knows.
func (r *resolver) lookup(ctx context.Context) ([]netip.AddrPort, error) {
	if r.static() {
		addr, err := netip.ParseAddr(r.host)
		if err != nil {
			return nil, err
		}
		return []netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), r.port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := r.dns.LookupNetIP(ctx, "ip", r.host)
	if err != nil {
		if dnsErr, ok := errors.AsType[*net.DNSError](err); ok && dnsErr.IsNotFound {
			return nil, nil
		}
		return nil, err
	}
	addrs := make([]netip.AddrPort, 0, len(found))
	for _, addr := range found {
		addrs = append(addrs, netip.AddrPortFrom(addr.Unmap(), r.port))
	}
	slices.SortFunc(addrs, netip.AddrPort.Compare)
	return slices.Compact(addrs), nil
}
