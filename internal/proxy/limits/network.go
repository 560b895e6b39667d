package limits

import (
	"net"
	"net/netip"
)

const (
	networkBits4 = 32
	networkBits6 = 64 // what a provider gives to one household or server
)

// networkOf returns the network that an address is counted by. IPv4 in IPv6 form is
// the IPv4.
func networkOf(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := networkBits6
	if address.Is4() {
		bits = networkBits4
	}
	network, _ := address.Prefix(bits) // the zero prefix for no address
	return network
}

// addressOf returns the IP address of a peer; the zero value where there is none.
func addressOf(peer net.Addr) netip.Addr {
	if with, ok := peer.(interface{ AddrPort() netip.AddrPort }); ok {
		return with.AddrPort().Addr()
	}
	port, _ := netip.ParseAddrPort(peer.String())
	return port.Addr()
}
