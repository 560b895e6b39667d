package upstreams

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	blueIP  = "127.0.0.1"
	greenIP = "127.0.0.2"
	alias   = "platform.test"
)

// stage is a name server and the two colours of one service behind one name.
type stage struct {
	dns  *upstreamstest.DNS
	port int
}

func newStage(t testing.TB) *stage {
	return &stage{dns: upstreamstest.NewDNS(t), port: upstreamstest.FreePort(t, blueIP, greenIP)}
}

func (s *stage) service(t testing.TB, name, ip string) *upstreamstest.Service {
	return upstreamstest.NewService(t, name, ip, s.port, nil)
}

// source returns a quick one: a test has no second to wait for each look.
func (s *stage) source() *Source {
	return &Source{
		Upstream: alias + ":" + strconv.Itoa(s.port),
		Probe:    "/health",
		Interval: caddy.Duration(60 * time.Millisecond),
		Timeout:  caddy.Duration(200 * time.Millisecond),
		Resolver: s.dns.Addr(),
	}
}

func provision(t testing.TB, s *Source) *Source {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := s.Provision(ctx); err != nil {
		t.Fatalf("cannot provision: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Cleanup(); err != nil {
			t.Errorf("cannot clean up: %v", err)
		}
	})
	return s
}

// offers returns the addresses that requests may be sent to, and makes sure that a new
// request gets the first.
func offers(t testing.TB, s *Source) []string {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, _ := request(ctx)
	list, err := s.GetUpstreams(r)
	if err != nil {
		t.Fatalf("GetUpstreams returned an error: %v", err)
	}
	all := (&Alias{Name: s.Upstream}).Now().Addresses
	if len(list) > 0 && (len(all) == 0 || list[0].Dial != all[0]) {
		return []string{list[0].Dial} // the view has changed meanwhile
	}
	return all
}

func waitForOffers(t testing.TB, s *Source, want ...*upstreamstest.Service) {
	t.Helper()
	dials := make([]string, len(want))
	for i, service := range want {
		dials[i] = service.Addr()
	}
	testkit.Eventually(t, fmt.Sprintf("offers %v, still %v", dials, offers(t, s)), func() bool {
		return slices.Equal(offers(t, s), dials)
	})
}

func TestFirstRequestAfterStartIsServed(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	if got := offers(t, source); !slices.Equal(got, []string{blue.Addr()}) {
		t.Fatalf("right after Provision: %v", got)
	}
	if n := blue.Probes(); n != 1 {
		t.Errorf("one pass is enough at the start, but there were %d probes", n)
	}
}

func TestStartDoesNotWaitForAnUpstreamThatHangs(t *testing.T) {
	stage := newStage(t)
	stage.service(t, "blue", blueIP).SetHealth(0)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Timeout = caddy.Duration(2 * time.Second)
	source.Start = caddy.Duration(100 * time.Millisecond)
	began := time.Now()
	provision(t, source)
	if took := time.Since(began); took > time.Second {
		t.Errorf("Provision took %v", took)
	}
}

func TestSwitchOfColours(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	green := stage.service(t, "green", greenIP)
	green.SetHealth(http.StatusInternalServerError)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	waitForOffers(t, source, blue)

	stage.dns.Set(alias, blueIP, greenIP)
	testkit.Eventually(t, "green is probed", func() bool { return green.Probes() >= 3 })
	waitForOffers(t, source, blue) // green says no

	green.SetHealth(http.StatusOK)
	waitForOffers(t, source, green, blue) // the newest first, the older behind it

	blue.SetHealth(http.StatusServiceUnavailable)
	waitForOffers(t, source, green) // blue drains

	blue.SetHealth(http.StatusOK)
	waitForOffers(t, source, green, blue) // an old colour never overtakes

	stage.dns.Set(alias, greenIP)
	waitForOffers(t, source, green)
}

func TestRefusedConnectionEndsAnAddressAtOnce(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	blue.Kill()
	waitForOffers(t, source)
	if state := source.prober.snapshot.Load().state; state.Addresses[0].Reason != "connect: connection refused" {
		t.Errorf("reason is %q", state.Addresses[0].Reason)
	}
	blue.Start()
	waitForOffers(t, source, blue)
}

func TestNewAddressNeedsTwoPassesWhereAnotherServes(t *testing.T) {
	stage := newStage(t)
	blue, green := stage.service(t, "blue", blueIP), stage.service(t, "green", greenIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	waitForOffers(t, source, blue)
	stage.dns.Set(alias, blueIP, greenIP)
	waitForOffers(t, source, green, blue)
	if n := green.Probes(); n < 2 {
		t.Errorf("used after %d probes", n)
	}
}

func TestTheFirstPassIsEnoughWhereNoneServes(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	strict := stage.source()
	strict.Passes = 100_000 // that many take longer than any wait here
	source := provision(t, strict)
	stage.dns.Set(alias, blueIP)
	waitForOffers(t, source, blue)
}

func TestUnknownNameHasNoUpstreamsAndNoError(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	waitForOffers(t, source, blue)
	stage.dns.Set(alias)
	waitForOffers(t, source)
	if state := source.prober.snapshot.Load().state; state.Available || len(state.Addresses) != 0 {
		t.Errorf("state is %+v", state)
	}
}

func TestResolverErrorKeepsTheAddresses(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	waitForOffers(t, source, blue)
	stage.dns.Break(true)
	asked := stage.dns.Queries()
	testkit.Eventually(t, "several lookups failed", func() bool {
		return source.prober.counters.lookupErrors.Load() >= 2 && stage.dns.Queries() > asked
	})
	waitForOffers(t, source, blue)
	if state := source.prober.snapshot.Load().state; state.Resolver == "" {
		t.Error("the state does not say that the name cannot be resolved")
	}
	blue.Kill() // kept by name, still out by its own answer
	waitForOffers(t, source)
}

func TestLastAddressStaysWhileItIsOnlySlow(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	waitForOffers(t, source, blue)
	blue.SetHealth(0)
	testkit.Eventually(t, "blue is unhealthy", func() bool {
		return !source.prober.snapshot.Load().state.Addresses[0].Healthy
	})
	waitForOffers(t, source, blue)
	blue.SetHealth(http.StatusServiceUnavailable) // now it says so itself
	waitForOffers(t, source)
}

func TestSlowAddressLeavesWhenAnotherIsHealthy(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	green := stage.service(t, "green", greenIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	stage.dns.Set(alias, blueIP, greenIP)
	waitForOffers(t, source, green, blue)
	green.SetHealth(0)
	waitForOffers(t, source, blue)
}

func TestAddressThatIsGoneIsNotTheLastResort(t *testing.T) {
	p := &prober{resolveErr: context.DeadlineExceeded}
	gone := &address{stalled: true, last: verdict{outcome: timedOut}}
	slow := &address{stalled: true, last: verdict{outcome: timedOut, connected: true}}
	if p.lastResort([]*address{gone}) != nil {
		t.Error("kept although it takes no connection and no name server lists it")
	}
	if p.lastResort([]*address{gone, slow}) != slow {
		t.Error("the one that takes connections is not kept")
	}
	p.resolveErr = nil
	if p.lastResort([]*address{gone}) != gone {
		t.Error("dropped although the name lists it")
	}
}

func TestAddressesOfOneAgeAreOrderedByTheirStart(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	green := stage.service(t, "green", greenIP)
	blue.SetHealthBody(`{"status":"ok","started":"2026-01-02T10:00:00Z"}`)
	green.SetHealthBody(`{"status":"ok","started":"2026-01-02T11:00:00Z"}`)
	stage.dns.Set(alias, blueIP, greenIP)
	waitForOffers(t, provision(t, stage.source()), green, blue)
}

func TestAddressInsteadOfName(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	source := stage.source()
	source.Upstream = blue.Addr()
	provision(t, source)
	waitForOffers(t, source, blue)
	blue.Kill()
	waitForOffers(t, source)
	blue.Start()
	waitForOffers(t, source, blue)
	if n := stage.dns.Queries(); n != 0 {
		t.Errorf("%d names looked up", n)
	}
}

func TestProbeOnAnotherPort(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	status := upstreamstest.NewService(t, "status", blueIP, upstreamstest.FreePort(t, blueIP), nil)
	_, port, err := splitUpstream(status.Addr())
	if err != nil {
		t.Fatal(err)
	}
	blue.SetHealth(http.StatusInternalServerError) // must not be asked
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Probe = fmt.Sprintf(":%d/health", port)
	provision(t, source)
	waitForOffers(t, source, blue)
	status.SetHealth(http.StatusServiceUnavailable)
	waitForOffers(t, source)
	if n := blue.Probes(); n != 0 {
		t.Errorf("the service itself was probed %d times", n)
	}
}

func TestUpstreamsAreFreshValues(t *testing.T) {
	stage := newStage(t)
	stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	r, _ := request(t.Context())
	a, _ := source.GetUpstreams(r)
	b, _ := source.GetUpstreams(r)
	if a[0] == b[0] {
		t.Error("two requests share an Upstream, which the proxy writes to")
	}
}

func TestSourcesOfOneUpstreamShareTheProber(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	stage.dns.Set(alias, blueIP)
	first := provision(t, stage.source())
	second := provision(t, stage.source())
	if first.prober != second.prober {
		t.Fatal("two probers for one upstream")
	}
	if err := first.Cleanup(); err != nil {
		t.Fatal(err)
	}
	first.prober = nil // gave it back
	probes := blue.Probes()
	testkit.Eventually(t, "the other's prober goes on", func() bool { return blue.Probes() > probes+1 })
}

func TestProvisionRefusesNonsense(t *testing.T) {
	tests := []Source{
		{Probe: "/health"},
		{Upstream: "platform", Probe: "/health"},
		{Upstream: "platform:http", Probe: "/health"},
		{Upstream: "platform:0", Probe: "/health"},
		{Upstream: ":3000", Probe: "/health"},
		{Upstream: "platform:3000"},
		{Upstream: "platform:3000", Probe: "health"},
		{Upstream: "platform:3000", Probe: ":/health"},
		{Upstream: "platform:3000", Probe: ":99999/health"},
		{Upstream: "platform:3000", Probe: "http://platform:3000/health"},
		{Upstream: "platform:3000", Probe: "/two words"},
		{Upstream: "platform:3000", Probe: "/health", Timeout: caddy.Duration(3 * time.Second)},
		{Upstream: "platform:3000", Probe: "/health", Passes: -1},
	}
	for _, source := range tests {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		if err := source.Provision(ctx); err == nil {
			t.Errorf("%+v is accepted", source)
			_ = source.Cleanup()
		}
		cancel()
	}
}

func BenchmarkGetUpstreams(b *testing.B) {
	for _, ips := range [][]string{{blueIP}, {blueIP, greenIP}} {
		b.Run(fmt.Sprintf("addresses=%d", len(ips)), func(b *testing.B) {
			stage := newStage(b)
			for _, ip := range ips {
				stage.service(b, ip, ip)
			}
			stage.dns.Set(alias, ips...)
			source := provision(b, stage.source())
			testkit.Eventually(b, "all serve", func() bool { return len(offers(b, source)) == len(ips) })
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					ctx, leave := context.WithCancel(context.WithValue(context.Background(), caddyhttp.VarsCtxKey, map[string]any{}))
					r := (&http.Request{Header: http.Header{}}).WithContext(ctx)
					if list, err := source.GetUpstreams(r); err != nil || len(list) == 0 {
						b.Error(list, err)
					}
					leave()
				}
			})
		})
	}
}
