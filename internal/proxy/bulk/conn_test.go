package bulk

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// recorder keeps each write as the kernel would get it.
type recorder struct {
	net.Conn
	writes []string
	err    error
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.err != nil {
		return len(p) / 2, r.err
	}
	r.writes = append(r.writes, string(p))
	return len(p), nil
}

func write(t *testing.T, c *conn, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("wrote %d of %q: %v", n, text, err)
		}
	}
}

func TestWhatIsCollectedIsSentInOnePiece(t *testing.T) {
	to := &recorder{}
	c := &conn{Conn: to}
	write(t, c, "a")
	c.collect(make([]byte, 0, 8))
	write(t, c, "bc", "def")
	if len(to.writes) != 1 {
		t.Errorf("sent too early: %q", to.writes)
	}
	if err := c.release(); err != nil {
		t.Fatal(err)
	}
	write(t, c, "g")
	if got := strings.Join(to.writes, "|"); got != "a|bcdef|g" {
		t.Errorf("got %s", got)
	}
}

func TestMoreThanTheBufferKeepsItsOrder(t *testing.T) {
	to := &recorder{}
	c := &conn{Conn: to}
	c.collect(make([]byte, 0, 4))
	write(t, c, "ab", "cde", "fghijkl", "m")
	if err := c.release(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(to.writes, "|"); got != "ab|cde|fghijkl|m" {
		t.Errorf("got %s", got)
	}
}

// What was sent in part cannot be taken back: anything after it would be garbage.
func TestNothingIsSentAfterAFailure(t *testing.T) {
	to := &recorder{err: os.ErrDeadlineExceeded}
	c := &conn{Conn: to}
	c.collect(make([]byte, 0, 8))
	write(t, c, "abc")
	if err := c.release(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("release: %v", err)
	}
	to.err = nil
	if _, err := c.Write([]byte("d")); !errors.Is(err, os.ErrDeadlineExceeded) || len(to.writes) != 0 {
		t.Errorf("then sent %q, %v", to.writes, err)
	}
}

func TestAConnectionIsFoundByItsLocalAddress(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	wrapped := new(Listener).WrapListener(inner)
	defer wrapped.Close()
	client, err := net.DialTimeout("tcp", inner.Addr().String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := wrapped.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	address, ok := accepted.LocalAddr().(localAddr)
	if !ok || address.conn != accepted || address.String() != inner.Addr().String() || address.Network() != "tcp" {
		t.Errorf("got %#v", accepted.LocalAddr())
	}
}

// Over HTTP/2 several answers take turns on a connection, and each waits for the
// visitor's word that there is room: what is collected would never be sent.
func TestOnlyConnectionsWithOneAnswerCollect(t *testing.T) {
	c := &conn{Conn: &recorder{}}
	for major, want := range map[int]*conn{1: c, 2: nil, 3: nil} {
		ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, localAddr{conn: c})
		r := (&http.Request{ProtoMajor: major}).WithContext(ctx)
		if got := connOf(r); got != want {
			t.Errorf("HTTP/%d: %v", major, got)
		}
	}
}
