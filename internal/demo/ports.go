package demo

import (
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
	Dashboard      int `json:"dashboard"` // without a listener: the demo has no dashboard
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
func (p *ports) choose() (err error) {
	var others []*int
	for _, port := range p.all() {
		listener, err := net.Listen("tcp", loopback(*port))
		if *port == 0 || err != nil {
			others = append(others, port)
		}
		if err == nil {
			defer func() { _ = listener.Close() }() // when all are chosen, so that none is given twice
		}
	}
	for _, port := range others {
		if *port, err = freeport.Find(); err != nil {
			return err
		}
	}
	return nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
