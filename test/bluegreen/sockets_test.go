package bluegreen

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"

	"github.com/tale-project/tale-runtime/test/visitors"
)

// backend is a stand-in for the Convex backend: healthy, and what comes over its
// sockets goes back.
func backend(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		return // 200
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
	_ = rw.Flush()
	_, _ = io.Copy(conn, rw)
}

// sockets are WebSockets that visitors hold open and use now and then.
type sockets struct {
	t    *testing.T
	open *visitors.Sockets
}

func openSockets(t *testing.T, address, host string, config *tls.Config) sockets {
	open, err := visitors.OpenSockets(*socketCount, visitors.Socket{Address: address, Host: host, TLS: config, Path: "/ws_api/api/1.2.3/sync", Echo: true})
	if err != nil {
		t.Fatal(err)
	}
	return sockets{t, open}
}

func (s sockets) finish() {
	said, lost := s.open.Close()
	s.t.Logf("%d sockets, %d messages there and back: %d lost", *socketCount, said, len(lost))
	for _, why := range lost {
		s.t.Errorf("a socket was lost: %s", why)
	}
}
