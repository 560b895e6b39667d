package backend

import (
	"context"
	"net"
	"strconv"

	"github.com/tale-project/tale-runtime/internal/sys/portcheck"
)

// CheckPortsFree finds out within a moment what would otherwise end the
// children again and again: another process on their ports.
func (n Network) CheckPortsFree(ctx context.Context) error {
	at := func(variable string, port int) portcheck.Port {
		return portcheck.Port{Variable: variable, Network: "tcp4", Address: net.JoinHostPort(n.Interface, strconv.Itoa(port))}
	}
	return portcheck.Free(ctx, at("CONVEX_BACKEND_PORT", n.BackendPort), at("CONVEX_SITE_PROXY_PORT", n.SitePort))
}
