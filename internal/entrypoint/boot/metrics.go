package boot

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tale-project/tale-runtime/internal/report"
)

// metrics are what the status port's /metrics shows. tale_boot_ and tale_child_
// mean the same in every service; a service registers its own with its name in
// front (Register).
type metrics struct {
	registry     *prometheus.Registry
	stageSeconds *prometheus.GaugeVec
	bootSeconds  prometheus.Gauge
	failures     *prometheus.CounterVec
}

func newMetrics(b *Lifecycle) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		stageSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tale_boot_stage_seconds", Help: "How long each stage of the boot took.",
		}, []string{"stage"}),
		bootSeconds: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tale_boot_seconds", Help: "How long it took from the start to the first readiness; 0 until then.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tale_boot_failures_total", Help: "Failures of this boot by stage and code.",
		}, []string{"stage", "code"}),
	}
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tale_" + b.options.Service + "_ready", Help: "1 while the service takes traffic.",
	}, func() float64 {
		if open, _ := b.ready.State(); open {
			return 1
		}
		return 0
	})
	m.registry.MustRegister(m.stageSeconds, m.bootSeconds, m.failures, ready, children{b},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) stageTook(stage string, took time.Duration) {
	m.stageSeconds.WithLabelValues(stage).Set(took.Seconds())
}

// Register adds metrics of the service; their names begin with tale_ and the
// service's own name. Like prometheus.MustRegister it panics when two are alike.
func (b *Lifecycle) Register(metrics ...prometheus.Collector) {
	b.metrics.registry.MustRegister(metrics...)
}

// Metrics serves all metrics of the boot and the service.
func (b *Lifecycle) Metrics() http.Handler { return b.metrics.handler() }

// CountFailure counts a failure that may not be the end of the boot.
func (b *Lifecycle) CountFailure(f report.Failure) {
	b.metrics.failures.WithLabelValues(f.Stage, f.Code).Inc()
}

// children are the service's processes as they are now.
type children struct{ boot *Lifecycle }

// Describe sends nothing: which children there are depends on the settings.
func (children) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c children) Collect(metrics chan<- prometheus.Metric) {
	CollectChildren(metrics, c.boot.status().Children)
}
