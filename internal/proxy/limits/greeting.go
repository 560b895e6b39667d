package limits

import (
	"bytes"
	"log/slog"
	"net"

	"github.com/tale-project/tale-runtime/internal/proxy/visitor"
)

// greetings tells of what comes to a port in the place of what belongs there, once each: all
// connections of one that is set up so fail, without a request that a log could show.
type greetings struct {
	log                *slog.Logger
	proxied, encrypted visitor.Notice
}

// The two versions of the PROXY protocol begin so, and TLS with the head of a handshake
// record (proxy-protocol.txt of HAProxy; RFC 8446, section 5.1).
var (
	proxyVersion1 = []byte("PROXY ")
	proxyVersion2 = []byte("\r\n\r\n\x00\r\nQUIT\n")
	tlsHandshake  = []byte{22, 3}
)

// see looks at the first bytes of a connection.
func (g *greetings) see(first []byte, peer net.Addr, plain bool) {
	switch {
	case bytes.HasPrefix(first, proxyVersion1) || bytes.HasPrefix(first, proxyVersion2):
		g.say(&g.proxied, peer, "a load balancer speaks the PROXY protocol, which is not understood here: each of its connections fails",
			"turn that off there (send-proxy, proxy_protocol); the visitor's address comes in X-Forwarded-For, with TLS_MODE=external")
	case plain && bytes.HasPrefix(first, tlsHandshake):
		g.say(&g.encrypted, peer, "TLS comes to the port for plain HTTP: each of those connections fails",
			"let what is in front speak http:// to this port; https:// belongs to HTTPS_PORT, which TLS_MODE=external does not open")
	}
}

func (g *greetings) say(n *visitor.Notice, peer net.Addr, what, fix string) {
	if g.log != nil {
		n.Tell(g.log, addressOf(peer), what, "peer", peer, "fix", fix)
	}
}
