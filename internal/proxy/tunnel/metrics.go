package tunnel

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are shared by all handlers of one configuration.
type metrics struct {
	open     prometheus.Gauge
	opened   prometheus.Counter
	refusals prometheus.Counter
	bytes    *prometheus.CounterVec
}

func newMetrics(registry *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		open:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "tale_proxy_tunnels_open", Help: "WebSockets that are open."}),
		opened:   prometheus.NewCounter(prometheus.CounterOpts{Name: "tale_proxy_tunnels_total", Help: "WebSockets that were opened."}),
		refusals: prometheus.NewCounter(prometheus.CounterOpts{Name: "tale_proxy_tunnel_refusals_total", Help: "WebSocket handshakes that failed or that the upstream refused."}),
		bytes:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tale_proxy_tunnel_bytes_total", Help: "Bytes of WebSockets that have ended, by direction: up (to the upstream), down."}, []string{"direction"}),
	}
	err := errors.Join(
		register(registry, &m.open),
		register(registry, &m.opened),
		register(registry, &m.refusals),
		register(registry, &m.bytes),
	)
	return m, err
}

// register makes a metric known, or takes the one that another handler has made
// known before.
func register[C prometheus.Collector](registry *prometheus.Registry, metric *C) error {
	if registry == nil {
		return nil
	}
	err := registry.Register(*metric)
	if twice, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		*metric, ok = twice.ExistingCollector.(C)
		if ok {
			return nil
		}
	}
	return err
}
