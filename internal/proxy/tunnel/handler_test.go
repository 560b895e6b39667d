package tunnel

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMessagesOfAllSizes(t *testing.T) {
	target := upstream(t, echo(t))
	plain := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target)}))
	t.Run("plain", func(t *testing.T) { sayAndHear(t, dial(t, "ws://"+plain, nil)) })

	h1 := behind(Handler{UpstreamsRaw: staticUpstream(target)})
	h1.Protocols = []string{"h1"}
	plain = caddytest.Run(t, h1)
	t.Run("plain without HTTP/2", func(t *testing.T) { sayAndHear(t, dial(t, "ws://"+plain, nil)) })

	secure, id := caddytest.RunTLS(t, behind(Handler{UpstreamsRaw: staticUpstream(target)}))
	t.Run("TLS", func(t *testing.T) { sayAndHear(t, dial(t, "wss://"+secure, overTLS(id))) })
}

func sayAndHear(t *testing.T, conn *websocket.Conn) {
	t.Helper()
	for _, size := range []int{0, 1, 125, 126, idleBuffer - 1, idleBuffer, idleBuffer + 1, busyBuffer, 3*busyBuffer + 7, 300_000, 5} {
		message := make([]byte, size)
		_, _ = rand.Read(message)
		say(t, conn, message)
	}
	if err := conn.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Errorf("cannot close: %v", err)
	}
}

func TestOtherRequestsGoToTheNextHandler(t *testing.T) {
	addr, id := caddytest.RunTLS(t, behind(Handler{UpstreamsRaw: staticUpstream("127.0.0.1:1")}))
	const key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for name, request := range map[string]string{
		"no upgrade":       "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"other protocol":   "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"one of two":       "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n" + key + "\r\n",
		"not connected":    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n" + key + "\r\n",
		"POST":             "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + "Content-Length: 0\r\n\r\n",
		"body":             "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + "Content-Length: 2\r\n\r\nhi",
		"body of any size": "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + key + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		conn, err := tls.Dial("tcp", addr, id.ClientConfig())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, request)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusTeapot {
			t.Errorf("%s: %v, %v", name, res, err)
		}
		_ = conn.Close()
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: id.ClientConfig(), ForceAttemptHTTP2: true}}
	res, err := client.Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusTeapot || res.ProtoMajor != 2 {
		t.Errorf("HTTP/%d: status %d", res.ProtoMajor, res.StatusCode)
	}
}

func TestSocketsOutliveASwitchOfColours(t *testing.T) {
	dns, port := upstreamstest.NewDNS(t), upstreamstest.FreePort(t, "127.0.0.1", "127.0.0.2")
	blue := upstreamstest.NewService(t, "blue", "127.0.0.1", port, echo(t))
	green := upstreamstest.NewService(t, "green", "127.0.0.2", port, echo(t))
	dns.Set("convex.test", "127.0.0.1")
	addr := caddytest.Run(t, behind(probed(dns, port)))
	old := dial(t, "ws://"+addr, nil)
	say(t, old, []byte("to blue"))
	dns.Set("convex.test", "127.0.0.2")
	testkit.Eventually(t, "green takes over", func() bool {
		state := upstreams.States()[0]
		return len(state.Addresses) > 0 && state.Addresses[0].Address == green.Addr() && state.Available
	})
	if left := upstreams.States()[0].Addresses[1:]; len(left) != 1 || !left[0].Gone || left[0].Sockets != 1 {
		t.Errorf("of blue is known: %+v", left)
	}
	taken := green.Requests()
	say(t, dial(t, "ws://"+addr, nil), []byte("to green"))
	if green.Requests() != taken+1 || blue.Requests() != 1 {
		t.Errorf("blue got %d handshakes, green %d", blue.Requests(), green.Requests()-taken)
	}
	say(t, old, []byte("still to blue"))
}

// Caddy gives up on request bodies that say nothing for a minute, and on answers
// that are not read; neither is about sockets.
func TestIdleSocketIsLeftAlone(t *testing.T) {
	server := behind(Handler{UpstreamsRaw: staticUpstream(upstream(t, echo(t)))})
	for _, timeout := range []*caddy.Duration{&server.ReadIdleTimeout, &server.WriteIdleTimeout, &server.ReadTimeout, &server.WriteTimeout, &server.IdleTimeout} {
		*timeout = caddy.Duration(150 * time.Millisecond)
	}
	addr, id := caddytest.RunTLS(t, server)
	conn := dial(t, "wss://"+addr, overTLS(id))
	time.Sleep(500 * time.Millisecond) // what is tested is that nothing happens
	say(t, conn, []byte("still there"))
}

func TestNothingIsLeftOfSocketsThatEnded(t *testing.T) {
	target := upstream(t, echo(t))
	addr, id := caddytest.RunTLS(t, behind(Handler{UpstreamsRaw: staticUpstream(target)}))
	say(t, dial(t, "wss://"+addr, overTLS(id)), []byte("x"))
	before := runtime.NumGoroutine()
	for i := range 40 {
		conn := dial(t, "wss://"+addr, overTLS(id))
		say(t, conn, []byte("hello"))
		if i%2 == 0 {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		} else {
			_ = conn.CloseNow() // without a word
		}
	}
	testkit.Eventually(t, "the goroutines of the sockets have ended", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func TestHalfOfASocketMayEndFirst(t *testing.T) {
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, accepted)
		got, _ := io.ReadAll(conn) // until the client has said everything
		_, _ = conn.Write(got)
	}))}))
	conn := rawHandshake(t, addr)
	reader := bufio.NewReader(conn)
	if _, err := http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "everything")
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != "everything" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A client that does not read must make the upstream wait, not the proxy's memory
// grow.
func TestSlowReceiverHoldsTheSenderBack(t *testing.T) {
	sent := make(chan int, 1)
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, accepted)
		chunk, total := make([]byte, 64<<10), 0
		for total < 256<<20 {
			if err := conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond)); err != nil {
				break
			}
			n, err := conn.Write(chunk)
			total += n
			if err != nil {
				break
			}
		}
		sent <- total
	}))}))
	conn := rawHandshake(t, addr)
	if total := <-sent; total > 64<<20 {
		t.Errorf("%d bytes were taken for a client that reads none", total)
	}
	_ = conn.Close()
}

func TestMissingUpstreamsAreRefused(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	var h Handler
	if err := h.Provision(ctx); err == nil || !strings.Contains(err.Error(), "dynamic_upstreams") {
		t.Errorf("got %v", err)
	}
	if err := h.Cleanup(); err != nil {
		t.Error(err)
	}
}
