package enginetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	"github.com/moby/moby/api/types/container"
)

// upgrade turns a request into a bare connection.
func upgrade(w http.ResponseWriter) (net.Conn, io.Reader, error) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_, err = fmt.Fprint(conn, "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	return conn, buffered, err
}

func closed(conn net.Conn) { _ = conn.Close() }

// attach ends a container that reads its input once with the connection.
func (s *Server) attach(w http.ResponseWriter, r *http.Request) {
	streams := &multiplexer{}
	s.mu.Lock()
	b, err := s.find(r.PathValue("id"))
	works := err == nil && s.works(b)
	if works {
		streams.mu.Lock() // before the client can start it
		b.streams = streams
	}
	s.mu.Unlock()
	if err != nil {
		fail(w, err)
		return
	}
	conn, input, err := upgrade(w)
	if err != nil {
		return
	}
	defer closed(conn)
	if works {
		streams.conn = conn
		streams.mu.Unlock()
	}
	ended := make(chan struct{})
	go s.untilGone(b, conn, !works, ended)
	if works {
		_, _ = io.Copy(b.attend, input)
		_ = b.attend.Close()
		s.awaitEnd(nil, b, 0) // the request's context may have ended with the client's input
	} else {
		_, _ = io.Copy(io.Discard, input)
	}
	close(ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.Config.StdinOnce && b.State.Running && !works {
		s.die(b, 0, false)
	}
}

// untilGone closes a connection when its container is gone; holds says that it is a lock's.
func (s *Server) untilGone(b *box, conn net.Conn, holds bool, ended <-chan struct{}) {
	defer closed(conn)
	for held := false; ; {
		s.mu.Lock()
		changed, there, running := s.changed, slices.Contains(s.containers, b), b.State.Running
		s.mu.Unlock()
		if !there {
			return
		}
		if running && !held && holds {
			held = true
			_, _ = conn.Write(frame(1, []byte("held\n")))
		}
		select {
		case <-changed:
		case <-ended:
			return
		}
	}
}

// wait answers when a container has ended (once more, for next-exit), and that it will as soon as
// it is asked.
func (s *Server) wait(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	b, err := s.find(r.PathValue("id"))
	before := 0
	if err == nil {
		before = b.deaths
		if r.URL.Query().Get("condition") == string(container.WaitConditionNotRunning) && !b.State.Running {
			before-- // it has ended
		}
	}
	s.mu.Unlock()
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).Flush()
	if s.awaitEnd(r.Context().Done(), b, before) {
		s.mu.Lock()
		code := b.State.ExitCode
		s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(container.WaitResponse{StatusCode: int64(code)})
	}
}

// awaitEnd waits until a container has died more often than before, or is gone.
func (s *Server) awaitEnd(gone <-chan struct{}, b *box, before int) (ended bool) {
	for {
		s.mu.Lock()
		changed, over := s.changed, b.deaths > before || !slices.Contains(s.containers, b)
		s.mu.Unlock()
		if over {
			return true
		}
		select {
		case <-changed:
		case <-gone:
			return false
		}
	}
}
