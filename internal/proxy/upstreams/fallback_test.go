package upstreams

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
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

// A status port that is ready says nothing of a wrong port in the upstream's setting.
func TestAWrongPortBesideAReadyProbe(t *testing.T) {
	stage := newStage(t)
	probe := upstreamstest.FreePort(t, blueIP)
	upstreamstest.NewService(t, "the status port", blueIP, probe, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	stage.dns.Set(alias, blueIP)
	source := stage.source() // nothing listens on its port
	source.Probe = ":" + strconv.Itoa(probe) + "/readyz"
	provision(t, source)
	reason := States()[0].Addresses[0].Reason
	if want := fmt.Sprintf("port %d: ", stage.port); States()[0].Available || !strings.Contains(reason, want) || !strings.Contains(reason, "refused") {
		t.Errorf("available %t, %q", States()[0].Available, reason)
	}
	waitForOffers(t, source, stage.service(t, "blue", blueIP))
}

// An upstream that stays away is told of again, with the setting that may be wrong.
func TestAnUpstreamThatStaysAwayIsToldOfAgain(t *testing.T) {
	var out testkit.Buffer
	p, err := newProber(settings{
		upstream: testkit.FreeAddress(t), probe: "/health", setting: "PLATFORM_UPSTREAM",
		interval: time.Second, timeout: time.Second, remind: time.Millisecond, limit: thresholds{passes: 1, timeouts: 1},
	}, logging.New(&out, logging.FormatConsole, slog.LevelInfo))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Destruct() })
	testkit.Eventually(t, "it is told of again", func() bool {
		return strings.Count(out.String(), "upstream still unavailable") > 1 && strings.Contains(out.String(), `refused" check=PLATFORM_UPSTREAM`)
	})
}

func TestAFallbackIsAProbe(t *testing.T) {
	source := &Source{Upstream: "platform:3000", Probe: ":9180/readyz", Fallback: "nonsense"}
	if err := source.check(); err == nil {
		t.Error("it is accepted")
	}
}
