package netcause

import (
	"errors"
	"net"
	"net/netip"
)

// Itself returns the address that a connection failed to, where that is one of this machine's
// or this container's own; false elsewhere. The loopback address does not count: who names that
// knows what is here, as a proxy to a database in the same pod.
func Itself(err error) (address string, own bool) {
	operation, is := errors.AsType[*net.OpError](err)
	if !is || operation.Addr == nil {
		return "", false
	}
	to, err := netip.ParseAddrPort(operation.Addr.String())
	return operation.Addr.String(), err == nil && !to.Addr().Unmap().IsLoopback() && Own(to.Addr())
}

// Own reports whether an address leads back to this machine or container.
func Own(address netip.Addr) bool {
	address = address.Unmap()
	if address.IsLoopback() {
		return true
	}
	interfaces, _ := net.InterfaceAddrs() // without them nothing is known to be our own
	for _, one := range interfaces {
		if prefix, err := netip.ParsePrefix(one.String()); err == nil && prefix.Addr().Unmap() == address.WithZone("") {
			return true
		}
	}
	return false
}
