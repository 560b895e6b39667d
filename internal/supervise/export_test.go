package supervise

import "time"

// ProbeQuickly shortens the pauses between the probes of a service.
func ProbeQuickly(s Service) Service {
	s.probes = &probeTiming{warn: 20 * time.Millisecond, fast: time.Millisecond, slow: 10 * time.Millisecond, limit: 100 * time.Millisecond, failures: 3}
	return s
}
