package tunnel

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"testing"
	"time"
)

func TestBufferIsLargeOnlyWhileItIsNeeded(t *testing.T) {
	var d direction
	buffer := d.idle[:]
	for _, step := range []struct{ read, want int }{
		{10, idleBuffer},
		{idleBuffer, busyBuffer},     // there may be more
		{busyBuffer, busyBuffer},     // there is
		{busyBuffer - 1, idleBuffer}, // that was the last of it
		{idleBuffer - 1, idleBuffer},
	} {
		if buffer = d.resize(buffer, step.read); len(buffer) != step.want {
			t.Fatalf("after a read of %d the buffer has %d bytes, want %d", step.read, len(buffer), step.want)
		}
	}
}

// To close TLS means to say so, and a client that does not read holds that up for
// five seconds.
func TestKillDoesNotWaitForAClientThatDoesNotRead(t *testing.T) {
	client, server := net.Pipe()
	identity := httptest.NewTLSServer(nil)
	defer identity.Close()
	secure := tls.Server(server, &tls.Config{Certificates: identity.TLS.Certificates, MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true})
	shaken := make(chan error)
	go func() {
		conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		shaken <- conn.Handshake()
	}()
	if err := secure.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	_, upstream := net.Pipe()
	tunnel := newTunnel(secure, upstream, slog.New(slog.DiscardHandler), nil)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		tunnel.abort()
	}()
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil { // it has begun to say so
		t.Fatal(err)
	}
	tunnel.kill()
	select {
	case <-closed:
	case <-time.After(2 * time.Second):
		t.Error("still waiting")
	}
}
