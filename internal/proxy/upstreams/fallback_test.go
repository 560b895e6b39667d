package upstreams

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
)

// A container of another make answers on its own port only, beside ones of ours.
func TestAnAddressWithoutAProbePortIsAskedOtherwise(t *testing.T) {
	stage := newStage(t)
	probe := upstreamstest.FreePort(t, blueIP, greenIP)
	blue, green := stage.service(t, "blue", blueIP), stage.service(t, "green", greenIP)
	green.SetHealth(http.StatusServiceUnavailable)
	ready := upstreamstest.NewService(t, "green's status port", greenIP, probe, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(health.VersionHeader, "1.2.3")
	}))
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Probe, source.Fallback = ":"+strconv.Itoa(probe)+"/readyz", "/health"
	provision(t, source)
	waitForOffers(t, source, blue)
	stage.dns.Set(alias, blueIP, greenIP)
	waitForOffers(t, source, green, blue) // its application's own answer does not count
	if a := States()[0].Addresses; a[0].Version != "1.2.3" || a[1].Version != "" {
		t.Errorf("the versions are %q and %q", a[0].Version, a[1].Version)
	}
	green.SetHealth(http.StatusOK)
	ready.Stop()
	waitForOffers(t, source, blue) // green goes away: whoever had the port has lost it
}

func TestAFallbackIsAProbe(t *testing.T) {
	source := &Source{Upstream: "platform:3000", Probe: ":9180/readyz", Fallback: "nonsense"}
	if err := source.check(); err == nil {
		t.Error("it is accepted")
	}
}
