package settings

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/visitor"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// privateRanges stands in lists of addresses for the networks that are not
// routed on the internet (RFC 1918, RFC 4193, loopback).
const privateRanges = "private_ranges"

func privateNetworks() []string {
	return []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fd00::/8", "::1/128"}
}

// TrustedRanges returns the networks of the peers whose X-Forwarded-* headers count.
// Behind a TLS terminator the peer must be believed, and it is nearly always a
// neighbour; in the other modes the visitor is the peer and none is. Only a list of
// proxies that was set is also looked for inside of X-Forwarded-For: a visitor may
// well have a private address.
func (s *Settings) TrustedRanges() []string {
	ranges, _ := s.trustedRanges() // an error is a problem of the settings
	return ranges
}

func (s *Settings) trustedRanges() ([]string, error) {
	switch {
	case s.TrustedProxies == "none":
		return nil, nil
	case s.TrustedProxies == "" && s.TLSMode == stack.TLSExternal:
		return privateNetworks(), nil
	}
	return parseRanges(s.TrustedProxies)
}

// parseRanges returns addresses and CIDR networks, separated by commas or blanks.
func parseRanges(list string) ([]string, error) {
	var ranges []string
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		if item == privateRanges {
			ranges = append(ranges, privateNetworks()...)
			continue
		}
		network, err := visitor.ParseNetwork(item)
		if err != nil {
			return nil, err
		}
		ranges = append(ranges, network.String())
	}
	return ranges, nil
}

// Alike returns what in the settings makes visitors look alike, or may; "" for
// nothing.
func (s *Settings) Alike() string {
	allowed, _ := parseRanges(s.DashboardAllow)
	proxies := s.TrustedRanges()
	switch {
	case s.TLSMode != stack.TLSExternal:
	case len(proxies) == 0:
		return "TRUSTED_PROXIES believes no proxy: behind a TLS terminator, all visitors look like it"
	case overlap(allowed, proxies):
		return "DASHBOARD_ALLOW has addresses of trusted proxies: one that sends no X-Forwarded-For lets all its visitors in"
	}
	return ""
}

func overlap(some, others []string) bool {
	return slices.ContainsFunc(some, func(a string) bool {
		return slices.ContainsFunc(others, func(b string) bool { return netip.MustParsePrefix(a).Overlaps(netip.MustParsePrefix(b)) })
	})
}

// SignInHeaders returns the headers by which a proxy that is trusted signs users in.
func (s *Settings) SignInHeaders() []string {
	names := []string{s.EmailHeader, s.NameHeader, s.RoleHeader, s.TeamsHeader}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}
