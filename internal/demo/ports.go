package demo

import (
	"fmt"
	"net"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/sys/freeport"
)

// ports are where the stack listens, all on 127.0.0.1.
type ports struct {
	HTTP           int `json:"http"`
	HTTPS          int `json:"https"`
	ProxyHealth    int `json:"proxy_health"`
	Web            int `json:"web"`
	PlatformStatus int `json:"platform_status"`
	Backend        int `json:"backend"`
	HTTPActions    int `json:"http_actions"`
	ConvexStatus   int `json:"convex_status"`
	Dashboard      int `json:"dashboard"` // nobody listens: the demo has no dashboard
}

func (p *ports) all() []*int {
	return []*int{
		&p.HTTP, &p.HTTPS, &p.ProxyHealth, &p.Web, &p.PlatformStatus,
		&p.Backend, &p.HTTPActions, &p.ConvexStatus, &p.Dashboard,
	}
}

// choose keeps each port that is set and free, and replaces the others. The
// URL of a folder that is used again stays the same this way, and with it the
// variables that are pushed.
func (p *ports) choose() error {
	var held []net.Listener
	defer func() {
		for _, listener := range held {
			_ = listener.Close()
		}
	}()
	for _, port := range p.all() {
		listener, err := listenNear(*port)
		if err != nil {
			return fmt.Errorf("cannot find a free port: %w", err)
		}
		// Held until all are chosen, so that none is given twice.
		held = append(held, listener)
		address, err := net.ResolveTCPAddr("tcp", listener.Addr().String())
		if err != nil {
			return fmt.Errorf("cannot find a free port: %w", err)
		}
		*port = address.Port
	}
	return nil
}

func listenNear(port int) (net.Listener, error) {
	if port == 0 {
		return freeport.Listen()
	}
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return freeport.Listen()
	}
	return listener, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
