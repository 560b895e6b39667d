package proxy

import (
	"context"

	"github.com/tale-project/tale-runtime/internal/entrypoint/portcheck"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// bindAddress is the setting of the address of both ports.
const bindAddress = "PROXY_BIND_ADDRESS"

// checkPorts reports every port of the settings that cannot be opened. The real
// listeners find out, too; this gives all of them at once and a reason to act on.
func checkPorts(ctx context.Context, s *Settings) error {
	wanted := []portcheck.Port{
		{Variable: "HTTP_PORT", Host: bindAddress, Network: "tcp", Address: s.ListenAddress(s.HTTPPort)},
		{Variable: "PROXY_HEALTH_ADDR", Network: "tcp", Address: s.HealthAddr},
	}
	if s.TLSMode != stack.TLSExternal {
		wanted = append(wanted, portcheck.Port{Variable: "HTTPS_PORT", Host: bindAddress, Network: "tcp", Address: s.ListenAddress(s.HTTPSPort)})
		if s.OffersHTTP3() {
			wanted = append(wanted, portcheck.Port{Variable: "HTTPS_PORT", Host: bindAddress, Network: "udp", Address: s.ListenAddress(s.HTTPSPort)})
		}
	}
	return portcheck.Free(ctx, wanted...)
}
