package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// ListenNetwork is the name, in Caddy's listen addresses, of TCP ports that
// belong to one process only. Caddy opens its ports so that several processes
// can share one, for reloads; a process that was left behind then takes half of
// the visitors, and nobody sees why. The proxy never reloads.
const ListenNetwork = "exclusive"

func init() {
	caddy.RegisterNetwork(ListenNetwork, listenExclusive)
	caddyhttp.RegisterNetworkHTTP3(ListenNetwork, "udp")
}

func listenExclusive(ctx context.Context, _, host, port string, offset uint, config net.ListenConfig) (any, error) {
	first, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on port %q: %w", port, err)
	}
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.FormatUint(first+uint64(offset), 10)))
}

// checkPorts reports every port of the settings that cannot be opened. The real
// listeners find out, too; this gives all of them at once and a reason to act on.
func (s *Settings) checkPorts(ctx context.Context) error {
	b := builder{s: s}
	wanted := []portCheck{
		{"HTTP_PORT", "tcp", b.listenAddress(s.HTTPPort)},
		{"PROXY_HEALTH_ADDR", "tcp", s.HealthAddr},
	}
	if s.TLSMode != TLSExternal {
		wanted = append(wanted, portCheck{"HTTPS_PORT", "tcp", b.listenAddress(s.HTTPSPort)})
		if s.HTTP3 == on {
			wanted = append(wanted, portCheck{"HTTPS_PORT", "udp", b.listenAddress(s.HTTPSPort)})
		}
	}
	var problems []error
	code := exit.Unavailable
	for _, port := range wanted {
		err := port.try(ctx)
		if errors.Is(err, syscall.EACCES) {
			code = exit.NoPermission
		}
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil {
		return exit.With(code, err)
	}
	return nil
}

type portCheck struct{ variable, network, address string }

func (p portCheck) try(ctx context.Context) error {
	err := open(ctx, p.network, p.address)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("cannot listen on %s/%s: another process already does; stop it, or set %s to a free port", p.address, p.network, p.variable)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot listen on %s/%s: ports below 1024 need the capability NET_BIND_SERVICE, or set %s to a higher one: %w", p.address, p.network, p.variable, err)
	}
	return fmt.Errorf("cannot listen on %s/%s (%s): %w", p.address, p.network, p.variable, err)
}

func open(ctx context.Context, network, address string) error {
	var config net.ListenConfig
	if network == "udp" {
		conn, err := config.ListenPacket(ctx, network, address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	listener, err := config.Listen(ctx, network, address)
	if err != nil {
		return err
	}
	return listener.Close()
}
