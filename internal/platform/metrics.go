package platform

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
)

// reportCollector turns what the boot report knows into metrics.
type reportCollector struct{ boot *Boot }

// Describe sends nothing: which series there are depends on the boot.
func (reportCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c reportCollector) Collect(metrics chan<- prometheus.Metric) {
	document := c.boot.Report()
	// What we set ourselves can be read.
	env, _ := report.Section[envsync.Summary](document, envsync.Section)
	collectEnv(metrics, env)
	deploy, _ := report.Section[trace.Deploy](document, trace.Section)
	collectDeploy(metrics, deploy)
}

func collectEnv(metrics chan<- prometheus.Metric, env *envsync.Summary) {
	if env == nil {
		return
	}
	changes := map[string]int{"new": env.New, "updated": env.Updated, "unchanged": env.Unchanged, "removed": env.Removed}
	for change, n := range changes {
		gauge(metrics, "tale_platform_env_variables", "Variables of the last sync by kind of change.", float64(n), "change", change)
	}
}

func collectDeploy(metrics chan<- prometheus.Metric, deploy *trace.Deploy) {
	if deploy == nil {
		return
	}
	for _, s := range deploy.Stages {
		gauge(metrics, "tale_platform_deploy_stage_seconds", "How long each stage of the push took.", float64(s.DurationMS)/1000, "stage", s.Name)
	}
	gauge(metrics, "tale_platform_deploy_attempts", "Attempts of the push.", float64(deploy.Attempts), "driver", deploy.Driver)
	if deploy.Indexes != nil {
		// Of parts and the whole, only the parts are series: they can be summed up.
		gauge(metrics, "tale_platform_deploy_indexes", "Indexes of the push by state.", float64(deploy.Indexes.Complete), "state", "complete")
		gauge(metrics, "tale_platform_deploy_indexes", "Indexes of the push by state.", float64(deploy.Indexes.Total-deploy.Indexes.Complete), "state", "pending")
	}
}

func gauge(metrics chan<- prometheus.Metric, name, help string, value float64, labels ...string) {
	constant := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		constant[labels[i]] = labels[i+1]
	}
	metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, constant), prometheus.GaugeValue, value)
}
