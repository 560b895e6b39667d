package visitors

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const handshake = "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// Socket is a WebSocket to be opened.
type Socket struct {
	Address string // host and port to connect to
	Host    string // that is asked for
	Path    string
	TLS     *tls.Config
	Echo    bool // the other side sends back what it gets: it is used once a second
}

// Sockets are WebSockets that are held open.
type Sockets struct {
	open sync.WaitGroup
	stop chan struct{}

	mu   sync.Mutex
	said int
	lost []string
}

// OpenSockets opens a number of them.
func OpenSockets(count int, socket Socket) (*Sockets, error) {
	s := &Sockets{stop: make(chan struct{})}
	for range count {
		conn, reader, err := socket.dial()
		if err != nil {
			close(s.stop)
			return nil, fmt.Errorf("cannot open a WebSocket: %w", err)
		}
		if socket.Echo {
			s.open.Go(func() { s.use(conn, reader) })
		} else {
			s.open.Go(func() { s.hold(conn, reader) })
		}
	}
	return s, nil
}

func (s Socket) dial() (net.Conn, *bufio.Reader, error) {
	conn, err := tls.Dial("tcp", s.Address, s.TLS) //nolint:noctx // On loopback.
	if err != nil {
		return nil, nil, err
	}
	reader := bufio.NewReader(conn)
	if _, err := fmt.Fprintf(conn, handshake, s.Path, s.Host); err != nil {
		return nil, nil, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return nil, nil, err
	}
	_ = response.Body.Close() // it has none
	if response.StatusCode != http.StatusSwitchingProtocols {
		return nil, nil, fmt.Errorf("it answers %s", response.Status)
	}
	return conn, reader, nil
}

// use sends a message every second and expects it back.
func (s *Sockets) use(conn net.Conn, reader *bufio.Reader) {
	defer func() { _ = conn.Close() }()
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
			s.note(func() { s.lost = append(s.lost, fmt.Sprintf("%v, % x", err, back)) })
			return
		}
		s.note(func() { s.said++ })
	}
}

// hold reads until the other side closes, which it should not.
func (s *Sockets) hold(conn net.Conn, reader *bufio.Reader) {
	began := time.Now()
	s.open.Go(func() {
		<-s.stop
		_ = conn.Close()
	})
	_, err := io.Copy(io.Discard, reader)
	select {
	case <-s.stop:
	default:
		s.note(func() {
			s.lost = append(s.lost, fmt.Sprintf("after %s: %v", time.Since(began).Round(time.Millisecond), err))
		})
	}
}

func (s *Sockets) note(what func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what()
}

// Close closes the sockets. It returns how many messages came back, and why sockets were
// closed before.
func (s *Sockets) Close() (said int, lost []string) {
	close(s.stop)
	s.open.Wait()
	return s.said, s.lost
}
