package limits

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// greeting returns what a client of TLS says first.
func greeting(t *testing.T) []byte {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close() //nolint:errcheck // of a pipe
	go func() { _ = tls.Client(far, &tls.Config{ServerName: "x.test"}).HandshakeContext(t.Context()) }()
	header := make([]byte, recordHeaderSize)
	if _, err := io.ReadFull(near, header); err != nil {
		t.Fatal(err)
	}
	all := make([]byte, recordHeaderSize+(int(header[3])<<8|int(header[4])))
	if _, err := io.ReadFull(near, all[copy(all, header):]); err != nil {
		t.Fatal(err)
	}
	return all
}

// said is a connection on which a client has said something, in pieces.
type said struct {
	net.Conn
	pieces [][]byte
}

func (s *said) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	s.pieces = s.pieces[1:]
	return n, nil
}

func (*said) Close() error         { return nil }
func (*said) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func paced(a *App, pieces ...[]byte) *conn {
	a.connections.take(network(1))
	return newConn(&said{pieces: pieces}, a, network(1))
}

func TestHandshakesTakeTurns(t *testing.T) {
	hello := greeting(t)
	synctest.Test(t, func(t *testing.T) {
		const turns, clients = 2, 50
		a := testApp()
		a.pace = make(pace, turns)
		begun := make(chan *conn, clients)
		for n := range clients {
			cut := n * len(hello) / clients // the first in one piece
			c := paced(a, slices.DeleteFunc([][]byte{hello[:max(cut, recordHeaderSize)], hello[max(cut, recordHeaderSize):]}, func(p []byte) bool { return len(p) == 0 })...)
			go func() {
				buffer := make([]byte, len(hello))
				for read := 0; read < len(hello); {
					n, _ := c.Read(buffer)
					read += n
				}
				begun <- c
			}()
		}
		for n := range clients {
			synctest.Wait()
			if waiting := min(turns, clients-n); len(begun) != waiting || len(a.pace) != waiting {
				t.Fatalf("%d compute and %d turns are taken, want %d", len(begun), len(a.pace), waiting)
			}
			c := <-begun
			if n%2 == 0 {
				_, _ = c.Read(make([]byte, 1))
			}
			_ = c.Close()
		}
		if len(a.pace) != 0 {
			t.Errorf("%d turns are not given back", len(a.pace))
		}
	})
}

func TestNoHandshakeWaitsForever(t *testing.T) {
	hello := greeting(t)
	synctest.Test(t, func(t *testing.T) {
		a := testApp()
		a.pace = make(pace, 1)
		a.pace <- struct{}{} // and it is not given back
		began := time.Now()
		c := paced(a, hello)
		if n, err := c.Read(make([]byte, len(hello))); n != len(hello) || err != nil || time.Since(began) != pacePatience {
			t.Errorf("read %d, %v after %v", n, err, time.Since(began))
		}
		if _ = c.Close(); len(a.pace) != 1 {
			t.Error("it gave back a turn that was not its own")
		}
	})
}

func TestWhoSendsSlowlyHoldsNoTurn(t *testing.T) {
	a := testApp()
	a.pace = make(pace, 1)
	hello := greeting(t)
	half := slices.Repeat([]byte{handshakeRecord}, 100)
	copy(half, hello)
	for name, pieces := range map[string][][]byte{
		"half a greeting":       {half},
		"a byte of it":          {hello[:1], hello[1:]},
		"plain text":            {[]byte("GET / HTTP/1.1\r\n\r\n")},
		"nothing":               {},
		"all, and then nothing": {hello, nil},
	} {
		c := paced(a, pieces...)
		for range 3 {
			_, _ = c.Read(make([]byte, len(hello)))
		}
		if len(a.pace) != 0 {
			t.Fatalf("%s: a turn is held", name)
		}
	}
}

// A connection that is closed while it waits gives its turn back later.
func TestATurnThatComesTooLate(t *testing.T) {
	a := testApp()
	a.pace = make(pace, 1)
	a.pace <- struct{}{}
	c := paced(a, greeting(t))
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = c.Read(make([]byte, 1<<14))
	}()
	<-a.pace
	<-read
	_ = c.Close()
	testkit.Eventually(t, "the turn is given back", func() bool { return len(a.pace) == 0 })
}

func TestAServerOfPlainTextReadsAGreetingOfTLS(t *testing.T) {
	a := testApp()
	a.pace = make(pace, 1)
	server := served(t, a)
	c := visit(t, server, "127.0.0.1")
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write(greeting(t)); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(c)
	if !bytes.Contains(answer, []byte("400")) {
		t.Errorf("got %q", answer)
	}
}
