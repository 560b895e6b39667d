package tunnel

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// stop ends Caddy, and with it every socket, and says how long that took.
func stop(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	caddytest.Stop(t)
	return time.Since(began)
}

func TestBothSidesAreToldThatTheProxyGoes(t *testing.T) {
	const sockets = 30
	upstreamStatus := make(chan websocket.StatusCode, sockets)
	target := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_, _, err = conn.Read(r.Context())
		upstreamStatus <- closeStatus(err)
	}))
	addr, id := caddytest.RunTLS(t, behind(Handler{UpstreamsRaw: staticUpstream(target), CloseTimeout: caddy.Duration(5 * time.Second)}))
	before := runtime.NumGoroutine()
	clientStatus := make(chan websocket.StatusCode, sockets)
	var readers sync.WaitGroup
	for range sockets {
		conn := dial(t, "wss://"+addr, overTLS(id))
		readers.Go(func() {
			_, _, err := conn.Read(t.Context())
			clientStatus <- closeStatus(err)
		})
	}
	if took := stop(t); took > 3*time.Second {
		t.Errorf("took %v although every side answers", took)
	}
	readers.Wait()
	for range sockets {
		if got := <-clientStatus; got != websocket.StatusGoingAway {
			t.Fatalf("a client was told %v", got)
		}
		if got := <-upstreamStatus; got != websocket.StatusGoingAway {
			t.Fatalf("an upstream was told %v", got)
		}
	}
	testkit.Eventually(t, "goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// halfFrame returns an upstream that sends a part of a frame, and the rest when told.
func halfFrame(t *testing.T, whole []byte, first int) (addr string, goOn chan struct{}, heard chan []byte) {
	goOn, heard = make(chan struct{}), make(chan []byte, 1)
	addr = rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, accepted)
		_, _ = conn.Write(whole[:first])
		<-goOn
		_, _ = conn.Write(whole[first:])
		got := make([]byte, len(maskedCloseFrame()))
		n, _ := io.ReadFull(conn, got)
		heard <- got[:n]
	})
	return addr, goOn, heard
}

func TestCloseFrameIsNotWrittenIntoAnotherFrame(t *testing.T) {
	whole := frame(2, 300, false)
	for _, first := range []int{1, 2, 3, 100, len(whole) - 1} {
		target, goOn, heard := halfFrame(t, whole, first)
		addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target), CloseTimeout: caddy.Duration(5 * time.Second)}))
		conn := rawHandshake(t, addr)
		reader := bufio.NewReader(conn)
		if _, err := http.ReadResponse(reader, nil); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, first)
		if _, err := io.ReadFull(reader, got); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			caddytest.Stop(t)
		}()
		close(goOn)
		rest, err := io.ReadAll(io.LimitReader(reader, int64(len(whole)-first+4)))
		if err != nil {
			t.Fatal(err)
		}
		if want := append(bytes.Clone(whole[first:]), closeFrame()...); !bytes.Equal(rest, want) {
			t.Errorf("after %d bytes: the client got % x", first, rest)
		}
		_ = conn.Close()
		<-stopped
		if said := <-heard; len(said) != 8 || said[0] != 0x88 || said[1] != 0x82 {
			t.Errorf("after %d bytes: the upstream got % x", first, said)
		}
	}
}

func TestFrameThatDoesNotEndIsCutWithoutGarbage(t *testing.T) {
	whole := frame(2, 300, false)
	target, goOn, _ := halfFrame(t, whole, 50)
	defer close(goOn)
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target), CloseTimeout: caddy.Duration(200 * time.Millisecond)}))
	conn := rawHandshake(t, addr)
	reader := bufio.NewReader(conn)
	if _, err := http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 50)
	if _, err := io.ReadFull(reader, got); err != nil {
		t.Fatal(err)
	}
	if took := stop(t); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if rest, _ := io.ReadAll(reader); len(rest) != 0 {
		t.Errorf("the client got % x in the middle of a frame", rest)
	}
}

// A client that neither reads nor answers must not keep the proxy from exiting.
func TestDeafClientDoesNotHoldTheExit(t *testing.T) {
	full := make(chan struct{}, 3)
	flooding := rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, accepted)
		for message := frame(2, 60000, false); ; {
			_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := conn.Write(message); err != nil {
				break
			}
		}
		full <- struct{}{}
		_, _ = io.Copy(io.Discard, conn)
	})
	addr, id := caddytest.RunTLS(t, behind(Handler{UpstreamsRaw: staticUpstream(flooding), CloseTimeout: caddy.Duration(200 * time.Millisecond)}))
	p := &proxy{addr: addr, config: id.ClientConfig()}
	for range 3 {
		conn, err := p.handshake()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	for range 3 {
		<-full
	}
	if took := stop(t); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestSilentSidesAreWaitedForOnlyAsLongAsSaid(t *testing.T) {
	target := silentUpstream(t)
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target), CloseTimeout: caddy.Duration(200 * time.Millisecond)}))
	conn := rawHandshake(t, addr)
	reader := bufio.NewReader(conn)
	if _, err := http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	if took := stop(t); took < 200*time.Millisecond || took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, closeFrame()) {
		t.Errorf("the client got % x, %v", got, err)
	}
}

// After a close frame nothing may follow, not even another one.
func TestSideThatClosedIsNotToldAgain(t *testing.T) {
	target := rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, accepted)
		_, _ = conn.Write(frame(opcodeClose, 2, false))
		_, _ = io.Copy(io.Discard, conn)
	})
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target), CloseTimeout: caddy.Duration(200 * time.Millisecond)}))
	conn := rawHandshake(t, addr)
	reader := bufio.NewReader(conn)
	if _, err := http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(reader, got); err != nil {
		t.Fatal(err)
	}
	stop(t)
	if rest, _ := io.ReadAll(reader); len(rest) != 0 {
		t.Errorf("then the client got % x", rest)
	}
}
