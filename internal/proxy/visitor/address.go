package visitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ParseAddress reads an address as proxies write it into X-Forwarded-For: with or
// without a port, brackets around IPv6, and a zone, which means nothing elsewhere.
func ParseAddress(text string) (address netip.Addr, ok bool) {
	text = strings.Trim(text, " \t")
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return plain(withPort.Addr()), true
	}
	if inner, found := strings.CutPrefix(text, "["); found {
		if text, found = strings.CutSuffix(inner, "]"); !found || !strings.Contains(text, ":") {
			return netip.Addr{}, false
		}
	}
	address, err := netip.ParseAddr(text)
	return plain(address), err == nil
}

// plain returns the one form that an address is compared and shown in: ::ffff:192.0.2.1
// is how a socket of both families shows 192.0.2.1.
func plain(address netip.Addr) netip.Addr { return address.Unmap().WithZone("") }

// mappedBits is the length of the prefix ::ffff:0:0/96, below which all of IPv4 is.
const mappedBits = 96

// ParseNetwork reads a network or a single address.
func ParseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("%q, which is neither an address nor a network", text)
		}
		return plain(address).Prefix(plain(address).BitLen())
	}
	if network.Addr().Is4In6() && network.Bits() >= mappedBits {
		network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-mappedBits)
	}
	return network.Masked(), nil
}

// networks are those that a module was given.
type networks []netip.Prefix

func parseNetworks(texts []string) (networks, error) {
	var all networks
	for _, text := range texts {
		network, err := ParseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("cannot read %w", err)
		}
		all = append(all, network)
	}
	return all, nil
}

func (n networks) contain(address netip.Addr) bool {
	return slices.ContainsFunc(n, func(network netip.Prefix) bool { return network.Contains(address) })
}
