package limits

import (
	"net/netip"
	"testing"
)

func TestNetworks(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.9":               "203.0.113.9/32",
		"::ffff:203.0.113.9":        "203.0.113.9/32",
		"2001:db8:1:2:3:4:5:6":      "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":      "2001:db8:1:2::/64",
		"fe80::1%eth0":              "fe80::/64",
		"2001:db8:1:3:3:4:5:6":      "2001:db8:1:3::/64",
		"::ffff:0:1":                "0.0.0.1/32",
		"64:ff9b::203.0.113.9%zone": "64:ff9b::/64",
	} {
		if got := networkOf(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s is counted by %s, want %s", address, got, want)
		}
	}
	if networkOf(netip.Addr{}) != anybody {
		t.Error("no address is a network of its own")
	}
}
