package convex

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
)

func newCrashCounter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tale_convex_backend_crashes_total", Help: "Unrequested ends of the backend.",
	})
}

// oomCollector shows how often the kernel has killed; where the kernel does not
// count that there is no series, because 0 would be wrong.
type oomCollector struct{ kills *prometheus.Desc }

func newOOMCollector() oomCollector {
	return oomCollector{prometheus.NewDesc("tale_convex_oom_kills_total",
		"Processes of this container that the kernel killed for want of memory.", nil, nil)}
}

// Describe implements prometheus.Collector.
func (c oomCollector) Describe(descriptions chan<- *prometheus.Desc) { descriptions <- c.kills }

// Collect implements prometheus.Collector.
func (c oomCollector) Collect(metrics chan<- prometheus.Metric) {
	if kills, known := cgroup.Here().Kills(); known {
		metrics <- prometheus.MustNewConstMetric(c.kills, prometheus.CounterValue, float64(kills))
	}
}
