package visitor

import (
	"net/netip"
	"testing"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", " 192.0.2.1\t": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "[::ffff:192.0.2.1]:80": "192.0.2.1",
		"::FFFF:c000:201": "192.0.2.1", "2001:DB8:0::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1", "[2001:db8::1]:443": "2001:db8::1",
		"fe80::1%eth0": "fe80::1", "[fe80::1%eth0]:443": "fe80::1", "[fe80::1%eth0]": "fe80::1",
		"": "", "unknown": "", "garbage": "", "_hidden": "", `"192.0.2.1"`: "", `"[2001:db8::1]"`: "", "192.0.2.1:": "", "192.0.2.1:99999": "", "192.0.2.1:http": "",
		"192.0.2": "", "192.0.2.01": "", "192.0.2.1.": "", "3221225985": "", "0xc0000201": "", "[192.0.2.1]": "", "[2001:db8::1": "", "2001:db8::1]": "", "192.0.2.1/32": "", "192.0.2.1 192.0.2.2": "",
	} {
		address, ok := ParseAddress(text)
		if ok != (want != "") || ok && address.String() != want {
			t.Errorf("%q: %v, %t", text, address, ok)
		}
	}
}

// A network in the form of IPv6 holds what its plain form holds, at every length.
func TestMappedNetworksAreThoseOfIPv4(t *testing.T) {
	for bits := range 33 {
		plain := netip.PrefixFrom(netip.MustParseAddr("10.255.170.85"), bits).String()
		mapped := netip.PrefixFrom(netip.MustParseAddr("::ffff:10.255.170.85"), mappedBits+bits).String()
		a, err := ParseNetwork(plain)
		b, err2 := ParseNetwork(mapped)
		if a != b || err != nil || err2 != nil {
			t.Errorf("%s is %v, %s is %v: %v %v", plain, a, mapped, b, err, err2)
		}
	}
	for text, want := range map[string]string{
		"::ffff:192.0.2.1": "192.0.2.1/32", "192.0.2.1": "192.0.2.1/32", "2001:db8::1": "2001:db8::1/128", "fe80::1%eth0": "fe80::1/128",
		"2001:db8::ff/32": "2001:db8::/32", "::/0": "::/0", "[::1]": "", "10.0.0.0/33": "", "x": "",
	} {
		network, err := ParseNetwork(text)
		if (err == nil) != (want != "") || err == nil && network.String() != want {
			t.Errorf("%s: %v, %v", text, network, err)
		}
	}
}
