package engine_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// proxy is a way to an engine over TCP that can be cut, with or without a word.
type proxy struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	mute  bool
	// both says that the end of one direction is that of the connection.
	both bool
}

func newProxy(t *testing.T, socket string, secure ...*tls.Config) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range secure {
		listener = tls.NewListener(listener, config)
	}
	p := &proxy{Listener: listener}
	t.Cleanup(func() { _ = listener.Close(); p.Cut() })
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", socket)
			if err != nil {
				_ = near.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, near, far)
			p.mu.Unlock()
			go p.copy(far, near)
			go p.copy(near, far)
		}
	}()
	return p
}

// copy passes bytes on, and the end of one direction as such.
func (p *proxy) copy(to, from net.Conn) {
	_, err := io.Copy(writer{p, to}, from)
	if p.silent() {
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil && !p.both {
		_ = half.CloseWrite()
		return
	}
	_ = errors.Join(to.Close(), from.Close())
}

type writer struct {
	*proxy
	to net.Conn
}

func (w writer) Write(data []byte) (int, error) {
	if w.silent() {
		return len(data), nil
	}
	return w.to.Write(data)
}

func (p *proxy) silent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mute
}

// Cut closes all connections.
func (p *proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

// Mute lets nothing through any more, not even the end of a connection.
func (p *proxy) Mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
}
