package upstreams

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
)

func TestLookupFindsBothFamilies(t *testing.T) {
	dns := upstreamstest.NewDNS(t)
	dns.Set(alias, "10.0.0.2", "fd00::2", "10.0.0.1")
	got, err := newResolver(alias, 3000, dns.Addr()).lookup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.AddrPort{
		netip.MustParseAddrPort("10.0.0.1:3000"),
		netip.MustParseAddrPort("10.0.0.2:3000"),
		netip.MustParseAddrPort("[fd00::2]:3000"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestLookupTellsAbsenceFromFailure(t *testing.T) {
	dns := upstreamstest.NewDNS(t)
	r := newResolver(alias, 3000, dns.Addr())
	if got, err := r.lookup(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("an unknown name: %v, %v", got, err)
	}
	dns.Break(true)
	if got, err := r.lookup(t.Context()); err == nil {
		t.Errorf("a name server that fails: %v", got)
	}
}

func TestAddressesAreNotLookedUp(t *testing.T) {
	for upstream, want := range map[string]string{
		"127.0.0.1:3000":          "127.0.0.1:3000",
		"[::1]:3000":              "[::1]:3000",
		"[::ffff:10.0.0.1]:3000":  "10.0.0.1:3000",
		"[fe80::1%eth0]:3000":     "[fe80::1%eth0]:3000",
		"[2001:db8:0:0::1]:65535": "[2001:db8::1]:65535",
	} {
		host, port, err := splitUpstream(upstream)
		if err != nil {
			t.Fatal(err)
		}
		r := newResolver(host, port, "")
		if !r.static() {
			t.Errorf("%s is looked up", upstream)
			continue
		}
		if got, err := r.lookup(t.Context()); err != nil || len(got) != 1 || got[0].String() != want {
			t.Errorf("%s: got %v, %v", upstream, got, err)
		}
	}
}
