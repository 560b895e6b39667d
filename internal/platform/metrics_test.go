package platform

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
)

// scrape returns what /metrics says of a boot with everything in its report.
func scrape(t *testing.T) string {
	t.Helper()
	b := newBoot(&Settings{Settings: entrypoint.Settings{Boot: boot.Settings{RunDir: t.TempDir()}}}, entrypoint.Invocation{Log: logging.Discard()}, "")
	b.Update(func(d *report.Document) { d.Set(envsync.Section, envsync.Summary{New: 3}) })
	b.recordDeploy(trace.Deploy{Driver: "native", Attempts: 2, Indexes: &trace.IndexProgress{Complete: 1, Total: 4},
		Stages: []trace.PushStage{{Name: "start_push", DurationMS: 1500}}})
	b.Begin(stageWait)("", nil)
	b.CountFailure(report.Failure{Stage: "start_push", Code: "InvalidModules"})
	recorder := httptest.NewRecorder()
	b.Metrics().ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String() + childMetrics(t)
}

// childMetrics returns the series of one child; the boot above has none.
func childMetrics(t *testing.T) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(childCollector{status.Child{Name: webName, Pid: 1, RSS: 5, Restarts: 2}})
	recorder := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(recorder, httptest.NewRequest("GET", "/metrics", nil))
	return recorder.Body.String()
}

// childCollector shows one snapshot.
type childCollector struct{ child status.Child }

func (childCollector) Describe(chan<- *prometheus.Desc) {}
func (c childCollector) Collect(metrics chan<- prometheus.Metric) {
	boot.CollectChildren(metrics, []status.Child{c.child})
}

func TestMetrics(t *testing.T) {
	text := scrape(t)
	for _, want := range []string{
		`tale_platform_ready 0`, `tale_platform_env_variables{change="new"} 3`, `tale_platform_deploy_stage_seconds{stage="start_push"} 1.5`,
		`tale_platform_deploy_attempts{driver="native"} 2`, `tale_platform_deploy_indexes{state="pending"} 3`,
		`tale_boot_failures_total{code="InvalidModules",stage="start_push"} 1`, `tale_child_restarts_total{child="web"} 2`, `tale_child_resident_bytes{child="web"} 5`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in\n%s", want, text)
		}
	}
}
