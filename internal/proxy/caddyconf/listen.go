package caddyconf

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/caddyserver/caddy/v2"
)

// listenNetwork is the name, in Caddy's listen addresses, of TCP ports that
// belong to one process only. Caddy opens its ports so that several processes
// can share one, for reloads; a process that was left behind then takes half of
// the visitors, and nothing shows why. The proxy never reloads.
const listenNetwork = "exclusive"

func init() { caddy.RegisterNetwork(listenNetwork, listenExclusive) }

func listenExclusive(ctx context.Context, _, host, port string, offset uint, config net.ListenConfig) (any, error) {
	first, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on port %q: %w", port, err)
	}
	return config.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.FormatUint(first+uint64(offset), 10)))
}
