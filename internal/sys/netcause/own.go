package netcause

import (
	"errors"
	"net"
	"net/netip"
	"slices"
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
	return slices.Contains(addresses(), address.WithZone(""))
}

// OwnAddress returns an address of version four by which others reach this machine or container,
// false where it has the loopback address only.
func OwnAddress() (netip.Addr, bool) {
	for _, address := range addresses() {
		if address.Is4() && !address.IsLoopback() {
			return address, true
		}
	}
	return netip.Addr{}, false
}

// addresses returns those of this machine's or container's interfaces.
func addresses() (own []netip.Addr) {
	interfaces, _ := net.InterfaceAddrs() // without them nothing is known to be our own
	for _, one := range interfaces {
		if prefix, err := netip.ParsePrefix(one.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own
}
