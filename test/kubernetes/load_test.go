package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// socketServer answers pages, and the first handshakes: their sockets are closed with a frame when
// that is asked for. Later ones are taken and not answered.
func socketServer(t *testing.T, answered int64, closeAll <-chan struct{}) (address string) {
	t.Helper()
	var opened atomic.Int64
	end := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		if opened.Add(1) > answered {
			<-end
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
		select {
		case <-closeAll:
			_, _ = conn.Write([]byte{0x88, 2, 0x03, 0xe9})
		case <-end:
		}
	}))
	t.Cleanup(func() { close(end); server.Close() })
	return strings.TrimPrefix(server.URL, "http://")
}

// Sockets whose second handshake is never answered are neither lost nor refused.
func TestSocketsAreOpenAtTheEnd(t *testing.T) {
	const sockets = 3
	for _, closes := range []bool{false, true} {
		closeAll := make(chan struct{})
		v := newVisitors(socketServer(t, sockets, closeAll))
		if err := v.start(t.Context(), 100, sockets); err != nil {
			t.Fatal(err)
		}
		if closes {
			close(closeAll)
		}
		testkit.Eventually(t, "pages are asked for, and sockets are as they stay", func() bool {
			v.mu.Lock()
			defer v.mu.Unlock()
			return v.asked > 0 && (v.closed == sockets) == closes
		})
		_, err := v.finish(loss{closes: true})
		if (err != nil) != closes {
			t.Errorf("sockets that were closed: %t, error: %v", closes, err)
		}
		if _, refused := v.finish(loss{closes: true, handshakes: sockets}); refused != nil {
			t.Errorf("as many may be away: %v", refused)
		}
		if _, closed := v.finish(loss{handshakes: sockets}); (closed != nil) != closes {
			t.Errorf("sockets that are to stay open were closed: %t, error: %v", closes, closed)
		}
	}
}
