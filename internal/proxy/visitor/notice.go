package visitor

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
)

// Notice is given once of a peer in a private network, as a warning, and once of another:
// what a client of the internet sends does not use up the warning of the operator's own
// load balancer.
type Notice struct{ near, foreign sync.Once }

// Tell logs what is wrong with what a peer sends, unless it has.
func (n *Notice) Tell(log *slog.Logger, peer netip.Addr, what string, attributes ...any) {
	once, level := &n.foreign, slog.LevelInfo
	if isNear(peer) {
		once, level = &n.near, slog.LevelWarn
	}
	once.Do(func() { log.Log(context.Background(), level, what, attributes...) })
}

// isNear reports whether a peer is in a private network, where it is likely to be a proxy of
// the operator's.
func isNear(peer netip.Addr) bool {
	return peer.IsPrivate() || peer.IsLoopback() || peer.IsLinkLocalUnicast()
}
