package tunnel

import (
	"log/slog"
	"net"
	"testing"
	"time"
)

func pipeTunnel(ended func(*tunnel)) *tunnel {
	_, client := net.Pipe()
	_, upstream := net.Pipe()
	return newTunnel(client, upstream, slog.New(slog.DiscardHandler), ended)
}

func TestCloseEndsEveryTunnel(t *testing.T) {
	r := newRegistry()
	for range 5 {
		if !r.reserve() {
			t.Fatal("not open")
		}
		tunnel := pipeTunnel(r.remove)
		r.add(tunnel)
		tunnel.start()
	}
	if all, cut := r.close(2 * time.Second); all != 5 || cut != 0 {
		t.Errorf("%d tunnels, %d cut", all, cut)
	}
	if r.reserve() {
		t.Error("open again")
	}
}

func TestCloseWaitsForTunnelsThatAreBeingMade(t *testing.T) {
	r := newRegistry()
	r.reserve()
	r.reserve()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		r.close(50 * time.Millisecond)
	}()
	for r.reserve() { // until it is closed
		r.release()
	}
	late := pipeTunnel(r.remove)
	r.add(late)
	late.start()
	select {
	case <-closed:
		t.Fatal("did not wait for the reservation")
	case <-time.After(20 * time.Millisecond):
	}
	r.release()
	<-closed
	if late.running.Load() != 0 {
		t.Error("the late tunnel goes on")
	}
}
