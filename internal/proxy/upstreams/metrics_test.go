package upstreams

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// scrape returns the series as Prometheus gets them, without timings and counts of
// probes and requests, which differ between runs.
func scrape(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(answer.Body.String()), "\n"), func(line string) bool {
		return line[0] == '#' || strings.Contains(line, "_seconds") || strings.Contains(line, "_probes_total") || strings.Contains(line, "_offered_total")
	})
}

func TestMetricsFollowTheAddresses(t *testing.T) {
	stage := newStage(t)
	blue := stage.service(t, "blue", blueIP)
	green := stage.service(t, "green", greenIP)
	stage.dns.Set(alias, blueIP)
	source := provision(t, stage.source())
	provision(t, &Source{Upstream: source.Upstream, Probe: "/other", Resolver: stage.dns.Addr()}) // the same alias once more
	stage.dns.Set(alias, blueIP, greenIP)
	waitForOffers(t, source, green, blue)

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(Collector())
	expect := func(series ...string) {
		t.Helper()
		names := strings.NewReplacer("ALIAS", source.Upstream, "BLUE", blue.Addr(), "GREEN", green.Addr())
		for i := range series {
			series[i] = "tale_proxy_upstream_" + names.Replace(series[i])
		}
		var got []string
		testkit.Eventually(t, "metrics are as expected", func() bool {
			got = scrape(t, registry)
			return slices.Equal(got, series)
		})
	}
	expect(
		`available{alias="ALIAS"} 1`,
		`first{address="BLUE",alias="ALIAS"} 0`,
		`first{address="GREEN",alias="ALIAS"} 1`,
		`healthy{address="BLUE",alias="ALIAS"} 1`,
		`healthy{address="GREEN",alias="ALIAS"} 1`,
		`held_requests{alias="ALIAS"} 0`,
		`requests{address="BLUE",alias="ALIAS"} 0`,
		`requests{address="GREEN",alias="ALIAS"} 0`,
		`resolve_errors_total{alias="ALIAS"} 0`,
		`retries_total{alias="ALIAS"} 0`,
		`serving{address="BLUE",alias="ALIAS"} 1`,
		`serving{address="GREEN",alias="ALIAS"} 1`,
		`sockets{address="BLUE",alias="ALIAS"} 0`,
		`sockets{address="GREEN",alias="ALIAS"} 0`,
		`switches_total{alias="ALIAS"} 1`,
	)
	stage.dns.Set(alias, greenIP)
	waitForOffers(t, source, green)
	green.Kill()
	expect( // an address that is gone leaves no series
		`available{alias="ALIAS"} 0`,
		`first{address="GREEN",alias="ALIAS"} 0`,
		`healthy{address="GREEN",alias="ALIAS"} 0`,
		`held_requests{alias="ALIAS"} 0`,
		`requests{address="GREEN",alias="ALIAS"} 0`,
		`resolve_errors_total{alias="ALIAS"} 0`,
		`retries_total{alias="ALIAS"} 0`,
		`serving{address="GREEN",alias="ALIAS"} 0`,
		`sockets{address="GREEN",alias="ALIAS"} 0`,
		`switches_total{alias="ALIAS"} 1`,
	)
}
