package platform

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/status"
)

// metrics are what the status port's /metrics shows. What the boot report or
// the supervisor already knows is read from there when it is asked for.
type metrics struct {
	registry     *prometheus.Registry
	stageSeconds *prometheus.GaugeVec
	failures     *prometheus.CounterVec
}

func newMetrics(b *Boot) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		stageSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tale_boot_stage_seconds", Help: "How long each stage of the boot took.",
		}, []string{"stage"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tale_boot_failures_total", Help: "Failures of this boot by stage and code.",
		}, []string{"stage", "code"}),
	}
	m.registry.MustRegister(m.stageSeconds, m.failures, bootCollector{b},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) stageTook(stage string, took time.Duration) {
	m.stageSeconds.WithLabelValues(stage).Set(took.Seconds())
}

// bootCollector turns the report and the supervisor's snapshot into metrics.
type bootCollector struct{ boot *Boot }

// Describe sends nothing: which series there are depends on the boot.
func (bootCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c bootCollector) Collect(metrics chan<- prometheus.Metric) {
	ready, _ := c.boot.ready.State()
	gauge(metrics, "tale_platform_ready", "1 while the platform takes traffic.", boolValue(ready))
	document := c.boot.report.Snapshot()
	collectEnv(metrics, document.Env)
	collectDeploy(metrics, document.Deploy)
	status.CollectChildren(metrics, c.boot.services.Snapshot())
}

func collectEnv(metrics chan<- prometheus.Metric, env *report.EnvSync) {
	if env == nil {
		return
	}
	changes := map[string]int{"new": env.New, "updated": env.Updated, "unchanged": env.Unchanged, "removed": env.Removed}
	for change, n := range changes {
		gauge(metrics, "tale_env_variables", "Variables of the last sync by kind of change.", float64(n), "change", change)
	}
}

func collectDeploy(metrics chan<- prometheus.Metric, deploy *report.Deploy) {
	if deploy == nil {
		return
	}
	for _, s := range deploy.Stages {
		gauge(metrics, "tale_deploy_stage_seconds", "How long each stage of the push took.", float64(s.DurationMS)/1000, "stage", s.Name)
	}
	gauge(metrics, "tale_deploy_attempts", "Attempts of the push.", float64(deploy.Attempts), "driver", deploy.Driver)
	if deploy.Indexes != nil {
		gauge(metrics, "tale_deploy_indexes", "Indexes of the push by state.", float64(deploy.Indexes.Complete), "state", "complete")
		gauge(metrics, "tale_deploy_indexes", "Indexes of the push by state.", float64(deploy.Indexes.Total), "state", "total")
	}
}

func gauge(metrics chan<- prometheus.Metric, name, help string, value float64, labels ...string) {
	constant := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, constant), prometheus.GaugeValue, value)
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
