package convex

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// checkPortsFree finds out within a moment what would otherwise end the
// children again and again: another process on their ports.
func (s *Settings) checkPortsFree() error {
	ports := []struct {
		variable string
		port     int
	}{
		{"CONVEX_BACKEND_PORT", s.Network.BackendPort},
		{"CONVEX_SITE_PROXY_PORT", s.Network.SitePort},
	}
	var taken error
	for _, p := range ports {
		listener, err := net.Listen("tcp4", net.JoinHostPort(s.Network.Interface, strconv.Itoa(p.port)))
		if err != nil {
			taken = errors.Join(taken, fmt.Errorf("cannot use %s=%d: %w; stop what listens there, or choose another port", p.variable, p.port, err))
			continue
		}
		if err := listener.Close(); err != nil {
			taken = errors.Join(taken, err)
		}
	}
	return taken
}
