package assets

import (
	"github.com/prometheus/client_golang/prometheus"
)

// reason is why an answer came from the store.
type reason int

const (
	fromStore reason = iota // nobody else was asked
	fallback                // no healthy address has the file
	reasons
)

var reasonNames = [reasons]string{"kept", "missing"}

// counters count answers by their reason.
type counters struct{ answers [reasons]prometheus.Counter }

// register makes the metrics of a store known to a registry.
func register(registry *prometheus.Registry, s *store) (*counters, error) {
	answers := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tale_proxy_assets_answers_total",
		Help: "Requests answered with kept files: kept (the application was not asked), missing (no healthy address has the file).",
	}, []string{"reason"})
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tale_proxy_assets_" + name, Help: help}, func() float64 {
			s.mu.RLock()
			defer s.mu.RUnlock()
			return read()
		})
	}
	all := []prometheus.Collector{
		answers,
		gauge("files", "Files that are kept.", func() float64 { return float64(len(s.files)) }),
		gauge("bytes", "What the kept files take on the disk.", func() float64 { return float64(s.size) }),
	}
	c := &counters{}
	for i, name := range reasonNames {
		c.answers[i] = answers.WithLabelValues(name)
	}
	if registry == nil {
		return c, nil
	}
	for _, one := range all {
		if err := registry.Register(one); err != nil {
			return nil, err
		}
	}
	return c, nil
}
