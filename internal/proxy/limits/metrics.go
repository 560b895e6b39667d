package limits

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	refused *prometheus.CounterVec
	shed    prometheus.Counter
	held    prometheus.GaugeFunc
	room    prometheus.GaugeFunc
}

func newMetrics(connections *ledger) *metrics {
	return &metrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tale_proxy_visitor_refusals_total", Help: "What was refused or ended, by the limit that was met: connections, requests, uploads, answers, body_rate, frames."}, []string{"limit"}),
		shed:    prometheus.NewCounter(prometheus.CounterOpts{Name: "tale_proxy_connections_shed_total", Help: "Idle connections that were closed to make room for others."}),
		held:    prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tale_proxy_connections", Help: "Connections of visitors, and sockets that share one."}, func() float64 { return float64(connections.count()) }),
		room:    prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tale_proxy_connections_room", Help: "How many of them there may be, from the limits of descriptors and memory."}, func() float64 { return float64(connections.room) }),
	}
}

func (m *metrics) register(registry *prometheus.Registry) error {
	for _, why := range []reason{tooManyConnections, tooManyRequests, tooManyUploads, tooManyAnswers, tooSlow, tooManyFrames} {
		m.refused.WithLabelValues(string(why)) // so that it is there with 0
	}
	if registry == nil {
		return nil
	}
	return errors.Join(registry.Register(m.refused), registry.Register(m.shed), registry.Register(m.held), registry.Register(m.room))
}
