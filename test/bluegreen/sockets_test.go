package bluegreen

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const socketHandshake = "GET /ws_api/api/1.2.3/sync HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

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
	open sync.WaitGroup
	stop chan struct{}
	said atomic.Int64
	lost atomic.Int64
}

func openSockets(t *testing.T, address, host string, config *tls.Config) *sockets {
	s := &sockets{t: t, stop: make(chan struct{})}
	for range *socketCount {
		conn, err := tls.Dial("tcp", address, config)
		if err != nil {
			t.Fatal(err)
		}
		reader := bufio.NewReader(conn)
		_, _ = fmt.Fprintf(conn, socketHandshake, host)
		response, err := http.ReadResponse(reader, nil)
		if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("cannot open a WebSocket: %v, %+v", err, response)
		}
		s.open.Go(func() { s.use(conn, reader) })
	}
	return s
}

// use sends a message every second and expects it back.
func (s *sockets) use(conn *tls.Conn, reader *bufio.Reader) {
	defer conn.Close()
	message := []byte{0x82, 0x84, 0, 0, 0, 0, 'p', 'i', 'n', 'g'} // a masked binary frame
	back := make([]byte, len(message))
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, err := conn.Write(message)
		if err == nil {
			_, err = io.ReadFull(reader, back)
		}
		if err != nil || string(back) != string(message) {
			s.lost.Add(1)
			s.t.Errorf("a socket was lost: %v, % x", err, back)
			return
		}
		s.said.Add(1)
	}
}

func (s *sockets) finish() {
	close(s.stop)
	s.open.Wait()
	s.t.Logf("%d sockets, %d messages there and back: %d lost", *socketCount, s.said.Load(), s.lost.Load())
}
