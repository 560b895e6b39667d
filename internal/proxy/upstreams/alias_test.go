package upstreams

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestAnAliasIsSeenAsRequestsSeeIt(t *testing.T) {
	stage := newStage(t)
	rotation := newRotation(t, stage)
	none := Alias{Name: "nothing.test:1"}
	if v := none.Now(); v.Version != 0 || v.Addresses != nil {
		t.Errorf("an upstream that nobody probes: %+v", v)
	}
	provision(t, stage.source())
	one := &Alias{Name: stage.source().Upstream}
	testkit.Eventually(t, "blue serves", func() bool { return len(one.Now().Addresses) == 1 })
	blue := one.Now()
	stage.dns.Set(alias, blueIP, greenIP)
	rotation.next.Start()
	testkit.Eventually(t, "both serve", func() bool { return len(one.Now().Addresses) == 2 })
	both := one.Now()
	if both.Version == blue.Version || both.Addresses[1] != blue.Addresses[0] {
		t.Errorf("before: %+v, then %+v", blue, both)
	}
	rotation.current.Stop()
	testkit.Eventually(t, "blue is gone", func() bool { return len(one.Now().Addresses) == 1 })
	if v := one.Now(); v.Version != both.Version {
		t.Errorf("the first address is the same, but %+v became %+v", both, v)
	}
	rotation.next.Stop()
	testkit.Eventually(t, "nobody serves", func() bool { return len(one.Now().Addresses) == 0 })
	rotation.next.Start()
	testkit.Eventually(t, "green is back", func() bool { return len(one.Now().Addresses) == 1 })
	if v := one.Now(); v.Version == both.Version {
		t.Errorf("it may be another version, but is still %+v", v)
	}
}

func TestARequestCanBeForOneAddress(t *testing.T) {
	list := []serving{{dial: "a"}, {dial: "b"}}
	r, _ := http.NewRequestWithContext(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{}), http.MethodGet, "/", http.NoBody)
	if got := only(r, list); len(got) != 2 {
		t.Errorf("without a wish: %v", got)
	}
	for address, want := range map[string][]serving{"b": list[1:], "a": list[:1], "gone": list} {
		Only(r, address)
		if got := only(r, list); !slices.Equal(got, want) {
			t.Errorf("only %s: %v", address, got)
		}
	}
}
