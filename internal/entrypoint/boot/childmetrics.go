package boot

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tale-project/tale-runtime/internal/report/status"
)

// CollectChildren sends the metrics of children as they are now; they have the
// same names in every service.
func CollectChildren(metrics chan<- prometheus.Metric, children []status.Child) {
	label := []string{"child"}
	up := prometheus.NewDesc("tale_child_up", "1 while a child's process lives.", label, nil)
	resident := prometheus.NewDesc("tale_child_resident_bytes", "Resident memory of a child.", label, nil)
	restarts := prometheus.NewDesc("tale_child_restarts_total", "Restarts of a child.", label, nil)
	for _, child := range children {
		alive := 0.0
		if child.Pid != 0 {
			alive = 1
		}
		metrics <- prometheus.MustNewConstMetric(up, prometheus.GaugeValue, alive, child.Name)
		metrics <- prometheus.MustNewConstMetric(resident, prometheus.GaugeValue, float64(child.RSS), child.Name)
		metrics <- prometheus.MustNewConstMetric(restarts, prometheus.CounterValue, float64(child.Restarts), child.Name)
	}
}
