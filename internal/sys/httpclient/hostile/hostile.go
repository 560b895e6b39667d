// Package hostile has servers that answer in every way that could hold a client
// up, or fill its memory. It is for tests only.
package hostile

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a client may take to notice that it is to end. It is for a
// busy machine: a client that hangs does so for good.
const patience = 20 * time.Second

// answer is what a server sends: once, then over and over again, as fast as the
// client reads or byte by byte. Without a repetition the connection stays open.
type answer struct {
	once, again string
	drip        bool
}

const ok = "HTTP/1.1 200 OK\r\n"

var answers = map[string]answer{
	"silence":               {},
	"half a status line":    {once: "HTTP/1.1 2"},
	"switch":                {once: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"},
	"switch, no protocol":   {once: "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
	"switch and talk":       {once: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", again: "x"},
	"switch to a socket":    {once: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", again: "x", drip: true},
	"endless 100":           {again: "HTTP/1.1 100 Continue\r\n\r\n"},
	"endless 103":           {again: "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", drip: true},
	"dripping header":       {once: ok, again: "X-A: b\r\n", drip: true},
	"endless header":        {once: ok, again: "X-A: b\r\n"},
	"endless header line":   {once: ok + "X-A: ", again: "b"},
	"body that stays away":  {once: ok + "Content-Length: 10\r\n\r\n"},
	"body without an end":   {once: ok + "\r\n", again: "x"},
	"body that drips":       {once: ok + "Content-Length: 1000000\r\n\r\n", again: "x", drip: true},
	"chunks without an end": {once: ok + "Transfer-Encoding: chunked\r\n\r\n", again: "1\r\nx\r\n"},
	"endless chunk size":    {once: ok + "Transfer-Encoding: chunked\r\n\r\n1;", again: "x"},
	"endless trailer":       {once: ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n", again: "X-A: b\r\n"},
	"gzip without an end":   {once: ok + "Content-Encoding: gzip\r\n\r\n", again: zeros()},
	"error without an end":  {once: "HTTP/1.1 500 Sad\r\n\r\n", again: "x"},
	"error that drips":      {once: "HTTP/1.1 404 Not Found\r\nContent-Length: 1000000\r\n\r\n", again: "x", drip: true},
	"redirect to itself":    {once: "HTTP/1.1 307 Temporary Redirect\r\nLocation: /\r\nContent-Length: 9\r\n\r\n"},
	"body of a 204":         {once: "HTTP/1.1 204 No Content\r\n\r\nx"},
}

// zeros returns a whole gzip member of a megabyte.
func zeros() string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Close()
	return out.String()
}

// Try has ask make one request to the base URL of each kind of server. It must
// return soon after its context was cancelled, soon after its deadline, and must
// not take more than about most bytes of an answer that has no end.
func Try(t *testing.T, most int64, ask func(ctx context.Context, url string)) {
	t.Helper()
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := a.serve(t)
			ctx, cancel := context.WithCancel(t.Context())
			ended := s.ask(ctx, ask)
			select {
			case <-s.sent:
			case <-ended:
			}
			cancel()
			await(t, ended, "it was cancelled")

			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			await(t, s.ask(ctx, ask), "its deadline")
			// Room for what the kernel holds on both sides.
			if took := s.taken.Load(); took > 2*(most+16<<20) {
				t.Errorf("the client took %d bytes", took)
			}
		})
	}
}

func await(t *testing.T, ended <-chan struct{}, what string) {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		t.Fatalf("the client goes on %v after %s", patience, what)
	}
}

// server answers every connection alike.
type server struct {
	answer
	address string
	once    sync.Once
	sent    chan struct{} // the beginning of an answer was sent
	taken   atomic.Int64
}

func (a answer) serve(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{answer: a, address: listener.Addr().String(), sent: make(chan struct{})}
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		_ = listener.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { s.reply(ctx, conn) })
		}
	})
	return s
}

func (s *server) ask(ctx context.Context, ask func(context.Context, string)) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ask(ctx, "http://"+s.address)
	}()
	return ended
}

// reply answers without waiting for the end of the request, and goes on until
// the client is gone.
func (s *server) reply(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer func() { _ = conn.Close() }()
	if _, err := conn.Read(make([]byte, 4<<10)); err != nil {
		return
	}
	go func() { // the client's leaving is seen by reading
		defer cancel()
		_, _ = io.Copy(io.Discard, conn)
	}()
	_, err := io.WriteString(conn, s.answer.once)
	s.once.Do(func() { close(s.sent) })
	if s.again == "" {
		<-ctx.Done()
		return
	}
	piece := s.again
	if !s.drip {
		piece = strings.Repeat(s.again, max(1, 64<<10/len(s.again)))
	}
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for err == nil {
		if s.drip {
			<-ticker.C
		}
		var n int
		n, err = io.WriteString(conn, piece)
		s.taken.Add(int64(n))
	}
}
