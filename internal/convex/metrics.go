package convex

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tale-project/tale-runtime/internal/status"
)

// metrics are what the status port's /metrics shows. What the supervisor knows
// is read from there when it is asked for.
type metrics struct {
	registry     *prometheus.Registry
	stageSeconds *prometheus.GaugeVec
	crashes      prometheus.Counter
}

func newMetrics(b *Boot) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		stageSeconds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tale_boot_stage_seconds", Help: "How long each stage of the boot took.",
		}, []string{"stage"}),
		crashes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tale_backend_crashes_total", Help: "Ends of the backend that nobody asked for.",
		}),
	}
	m.registry.MustRegister(m.stageSeconds, m.crashes, stateCollector{b},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) stageTook(stage string, took time.Duration) {
	m.stageSeconds.WithLabelValues(stage).Set(took.Seconds())
}

var (
	readyDesc = prometheus.NewDesc("tale_convex_ready", "1 while the backend answers.", nil, nil)
	oomDesc   = prometheus.NewDesc("tale_oom_kills_total", "Processes of this container that the kernel killed for want of memory.", nil, nil)
)

// stateCollector turns the state of the moment into metrics.
type stateCollector struct{ boot *Boot }

// Describe sends nothing: which children there are depends on the settings.
func (stateCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(metrics chan<- prometheus.Metric) {
	ready, _ := c.boot.ready.State()
	metrics <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, boolValue(ready))
	if kills, known := newOOMCounter().Count(); known {
		metrics <- prometheus.MustNewConstMetric(oomDesc, prometheus.CounterValue, float64(kills))
	}
	status.CollectChildren(metrics, c.boot.services.Load().Snapshot())
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
