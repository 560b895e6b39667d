package upstreams

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// request returns one that Caddy would pass to the source.
func request(ctx context.Context) (*http.Request, *caddy.Replacer) {
	repl := caddy.NewReplacer()
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, repl)
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
	return httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx), repl
}

func dialsFor(t *testing.T, s *Source, r *http.Request) []string {
	t.Helper()
	list, err := s.GetUpstreams(r)
	if err != nil {
		t.Fatal(err)
	}
	dials := make([]string, len(list))
	for i, u := range list {
		dials[i] = u.Dial
	}
	return dials
}

// reset calls ResetCache and says how long it took.
func reset(t *testing.T, s *Source, r *http.Request) time.Duration {
	t.Helper()
	began := time.Now()
	if err := s.ResetCache(r); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestFailedRequestFallsBackAloneAndAtOnce(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	green := stage.service(t, "green", greenIP)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Interval = caddy.Duration(300 * time.Millisecond)
	provision(t, source)
	stage.dns.Set(alias, blueIP, greenIP)
	waitForOffers(t, source, green, blue)

	r, repl := request(t.Context())
	repl.Set(triedPlaceholder, green.Addr())
	if took := reset(t, source, r); took > 200*time.Millisecond {
		t.Errorf("took %v although another address is there", took)
	}
	if got := dialsFor(t, source, r)[0]; got != blue.Addr() {
		t.Errorf("the failed request is sent to %s again", got)
	}
	other, _ := request(t.Context())
	if got := dialsFor(t, source, other); !slices.Equal(got, []string{green.Addr()}) {
		t.Errorf("one failed request changed what others get: %v", got)
	}
}

func TestFailedRequestWaitsForTheVerdictOnTheOnlyAddress(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Interval = caddy.Duration(time.Minute) // only a refresh can bring news
	provision(t, source)
	r, repl := request(t.Context())
	repl.Set(triedPlaceholder, blue.Addr())
	before := blue.Probes()
	if took := reset(t, source, r); took >= newsTimeout {
		t.Errorf("took %v, as long as if nobody had asked", took)
	}
	if blue.Probes() == before {
		t.Error("not probed")
	}
	if got := dialsFor(t, source, r); !slices.Equal(got, []string{blue.Addr()}) {
		t.Errorf("got %v", got)
	}
}

func TestRequestIsHeldUntilTheUpstreamIsBack(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Hold = caddy.Duration(time.Minute)
	provision(t, source)
	blue.Kill()
	waitForOffers(t, source)

	r, _ := request(t.Context())
	released := make(chan time.Duration)
	go func() { released <- reset(t, source, r) }()
	testkit.Eventually(t, "the request is held", func() bool { return source.prober.counters.held.Load() == 1 })
	blue.Start()
	select {
	case <-released:
	case <-time.After(5 * time.Second):
		t.Fatal("still held although the upstream is back")
	}
	if got := dialsFor(t, source, r); !slices.Equal(got, []string{blue.Addr()}) {
		t.Errorf("released to %v", got)
	}
}

func TestRequestIsHeldNoLongerThanTheBudgetOfTheOutage(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Hold = caddy.Duration(300 * time.Millisecond)
	provision(t, source)
	blue.Kill()
	waitForOffers(t, source)
	first, _ := request(t.Context())
	if took := reset(t, source, first); took > time.Second {
		t.Errorf("held for %v", took)
	}
	second, _ := request(t.Context())
	if took := reset(t, source, second); took > 100*time.Millisecond {
		t.Errorf("the budget is over, but a later request was held for %v", took)
	}
}

func TestHeldRequestIsReleasedWhenItsClientLeaves(t *testing.T) {
	stage := newStage(t)
	source := stage.source()
	source.Hold = caddy.Duration(time.Minute)
	provision(t, source)
	ctx, leave := context.WithCancel(t.Context())
	r, _ := request(ctx)
	released := make(chan struct{})
	go func() {
		defer close(released)
		_ = source.ResetCache(r)
	}()
	testkit.Eventually(t, "the request is held", func() bool { return source.prober.counters.held.Load() == 1 })
	leave()
	select {
	case <-released:
	case <-time.After(5 * time.Second):
		t.Fatal("still held")
	}
}

func TestManyFailuresDoNotBecomeManyProbes(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Interval = caddy.Duration(time.Minute)
	provision(t, source)
	const probes = 5
	before, began := blue.Probes(), time.Now()
	testkit.Eventually(t, "some failures lead to a probe", func() bool {
		for range 10 {
			if err := source.ResetCache(nil); err != nil {
				t.Fatal(err)
			}
		}
		return blue.Probes() >= before+probes
	})
	if took := time.Since(began); took < (probes-1)*probeSpacing {
		t.Errorf("%d probes in %v", probes, took)
	}
}

// Those who probe may sleep for a whole interval when the last address is lost,
// while clients wait.
func TestLossOfTheLastAddressWakesTheProbes(t *testing.T) {
	w := &watch{wake: make(chan struct{}, 1)}
	p := &prober{log: slog.New(slog.DiscardHandler), wake: make(chan struct{}, 1), watched: map[netip.AddrPort]*watch{{}: w}}
	serves := &snapshot{serving: []serving{{at: netip.MustParseAddrPort("10.0.0.1:1")}}}
	p.announce(serves, serves)
	if len(p.wake)+len(w.wake) != 0 {
		t.Error("woken although nothing was lost")
	}
	p.announce(serves, &snapshot{})
	if len(p.wake) != 1 || len(w.wake) != 1 {
		t.Error("not woken")
	}
}
