package limits

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A client of the internet that comes first does not use up the warning of a load balancer.
func TestGreetingsOfNearPeersAreWarnedOf(t *testing.T) {
	for name, first := range map[string][]byte{"PROXY protocol": proxyVersion1, "TLS": tlsHandshake} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			g := &greetings{log: slog.New(slog.NewTextHandler(&out, nil))}
			for range 2 {
				for _, peer := range []string{"8.8.8.8:1", "[::ffff:172.22.0.1]:1", "10.0.0.9:1"} {
					g.see(first, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(peer)), true)
				}
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(lines) != 2 || !strings.Contains(lines[0], "level=INFO") || !strings.Contains(lines[1], "level=WARN") || !strings.Contains(lines[1], "172.22.0.1") {
				t.Errorf("it said:\n%s", out.String())
			}
		})
	}
}
