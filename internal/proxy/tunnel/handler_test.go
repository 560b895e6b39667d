package tunnel

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
)

// echo answers every message with itself, until the client closes.
func echo(t testing.TB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"convex"}})
		if err != nil {
			t.Errorf("the upstream cannot accept: %v", err)
			return
		}
		conn.SetReadLimit(8 << 20)
		defer conn.CloseNow() //nolint:errcheck // it is over
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, message); err != nil {
				return
			}
		}
	}
}

func upstream(t testing.TB, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// behind is a server whose requests go through the tunnel, and end with status
// 418 if the tunnel does not take them.
func behind(h Handler) *caddyhttp.Server {
	return &caddyhttp.Server{Routes: caddyhttp.RouteList{caddytest.Handle(
		caddytest.Handler("tale_tunnel", h),
		caddytest.Handler("static_response", caddyhttp.StaticResponse{StatusCode: "418"}),
	)}}
}

func dial(t testing.TB, url string, options *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	conn, res, err := websocket.Dial(t.Context(), url, options)
	if err != nil {
		t.Fatalf("cannot open a socket: %v (%v)", err, res)
	}
	conn.SetReadLimit(8 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func say(t testing.TB, conn *websocket.Conn, message []byte) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageBinary, message); err != nil {
		t.Fatalf("cannot send: %v", err)
	}
	_, got, err := conn.Read(t.Context())
	if err != nil {
		t.Fatalf("cannot receive: %v", err)
	}
	if !bytes.Equal(got, message) {
		t.Fatalf("sent %d bytes, got %d others", len(message), len(got))
	}
}

func TestMessagesOfAllSizes(t *testing.T) {
	target := upstream(t, echo(t))
	plain := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target)}))
	t.Run("plain", func(t *testing.T) { exchange(t, dial(t, "ws://"+plain, nil)) })

	h1 := behind(Handler{UpstreamsRaw: staticUpstream(target)})
	h1.Protocols = []string{"h1"}
	plain = caddytest.Run(t, h1)
	t.Run("plain without HTTP/2", func(t *testing.T) { exchange(t, dial(t, "ws://"+plain, nil)) })

	secure, id := caddytest.RunTLS(t, behind(Handler{UpstreamsRaw: staticUpstream(target)}))
	t.Run("TLS", func(t *testing.T) { exchange(t, dial(t, "wss://"+secure, overTLS(id))) })
}

func overTLS(id *caddytest.Identity) *websocket.DialOptions {
	return &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: id.ClientConfig()}}}
}

func exchange(t *testing.T, conn *websocket.Conn) {
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

func TestHandshakeArrivesAsItShould(t *testing.T) {
	seen := make(chan *http.Request, 1)
	target := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Clone(context.Background())
		echo(t)(w, r)
	}))
	addr := caddytest.Run(t, behind(Handler{
		UpstreamsRaw: staticUpstream(target),
		Headers: &headers.Handler{Request: &headers.HeaderOps{Set: http.Header{
			"X-Real-Ip": {"{http.vars." + caddyhttp.ClientIPVarKey + "}"},
		}}},
	}))
	conn, res, err := websocket.Dial(t.Context(), "ws://"+addr+"/api/1.35.1/sync?a=1&b=%2F", &websocket.DialOptions{
		Host:         "tale.example:8443",
		Subprotocols: []string{"convex"},
		HTTPHeader: http.Header{
			"Cookie": {"session=1"}, "X-Forwarded-For": {"6.6.6.6"}, "X-Forwarded-Proto": {"gopher"}, "X-Secret": {"1"},
			"Keep-Alive": {"300"}, "Proxy-Authorization": {"Basic x"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if conn.Subprotocol() != "convex" || res.Header.Get("Server") != "" {
		t.Errorf("subprotocol %q, server %q", conn.Subprotocol(), res.Header.Get("Server"))
	}
	got := <-seen
	if got.RequestURI != "/api/1.35.1/sync?a=1&b=%2F" || got.Host != "tale.example:8443" {
		t.Errorf("asked for %s of %s", got.RequestURI, got.Host)
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "tale.example:8443",
		"X-Real-Ip": "127.0.0.1", "Cookie": "session=1", "Via": "1.1 Caddy",
		"Keep-Alive": "", "Proxy-Authorization": "",
	} {
		if value := strings.Join(got.Header[name], "|"); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
}

func TestTrustedPeersWordIsContinued(t *testing.T) {
	seen := make(chan http.Header, 1)
	target := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header
		echo(t)(w, r)
	}))
	server := behind(Handler{UpstreamsRaw: staticUpstream(target)})
	server.TrustedProxiesRaw = caddyconfig.JSONModuleObject(caddyhttp.StaticIPRange{Ranges: []string{"127.0.0.1/32"}}, "source", "static", nil)
	dial(t, "ws://"+caddytest.Run(t, server), &websocket.DialOptions{HTTPHeader: http.Header{
		"X-Forwarded-For": {"6.6.6.6, 203.0.113.9"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"tale.example"},
	}})
	got := <-seen
	for name, want := range map[string]string{
		"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "tale.example",
	} {
		if value := got.Get(name); value != want {
			t.Errorf("%s is %q", name, value)
		}
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
		conn.Close()
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: id.ClientConfig(), ForceAttemptHTTP2: true}}
	res, err := client.Get("https://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusTeapot || res.ProtoMajor != 2 {
		t.Errorf("HTTP/%d: status %d", res.ProtoMajor, res.StatusCode)
	}
}

func TestRefusalOfTheUpstreamIsPassedOn(t *testing.T) {
	target := upstream(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Reason", "old")
		w.WriteHeader(http.StatusUpgradeRequired)
		_, _ = io.WriteString(w, strings.Repeat("update your client\n", 8000))
	}))
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(target)}))
	_, res, err := websocket.Dial(t.Context(), "ws://"+addr, nil)
	if err == nil {
		t.Fatal("opened")
	}
	if res.StatusCode != http.StatusUpgradeRequired || res.Header.Get("X-Reason") != "old" || res.Header.Get("Connection") == "Upgrade" {
		t.Errorf("got %v", res)
	}
	conn := rawHandshake(t, addr)
	res, err = http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); err != nil || len(body) != 8000*len("update your client\n") {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

// rawHandshake asks for a socket and leaves the answer to the caller.
func rawHandshake(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, browserHandshake); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func TestUselessAnswersOfTheUpstream(t *testing.T) {
	for name, answer := range map[string]string{
		"other protocol":        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"no protocol":           "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"extension not offered": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
		"no HTTP":               "SSH-2.0-OpenSSH\r\n\r\n",
		"endless header":        "HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", 2*maxResponseHeader) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(rawUpstream(t, func(conn net.Conn) {
				_, _ = io.WriteString(conn, answer)
			}))}))
			_, res, err := websocket.Dial(t.Context(), "ws://"+addr, nil)
			if err == nil || res == nil || res.StatusCode != http.StatusBadGateway {
				t.Errorf("got %v, %v", res, err)
			}
		})
	}
}

// rawUpstream reads handshakes and lets serve do with the connections what it
// likes; they are closed after it.
func rawUpstream(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

const accepted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

func TestFramesSentWithTheHandshakeAreNotLost(t *testing.T) {
	fromClient := make(chan string, 1)
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, accepted+"first words")
		buffer := make([]byte, 5)
		_, _ = io.ReadFull(conn, buffer)
		fromClient <- string(buffer)
	}))}))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, browserHandshake+"hello")
	reader := bufio.NewReader(conn)
	if _, err := http.ReadResponse(reader, nil); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, len("first words"))
	if _, err := io.ReadFull(reader, buffer); err != nil || string(buffer) != "first words" {
		t.Errorf("got %q, %v", buffer, err)
	}
	if got := <-fromClient; got != "hello" {
		t.Errorf("the upstream got %q", got)
	}
}

func TestNoUpstream(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := listener.Addr().String()
	listener.Close()
	for address, want := range map[string]int{"": http.StatusServiceUnavailable, dead: http.StatusBadGateway} {
		addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(address)}))
		_, res, err := websocket.Dial(t.Context(), "ws://"+addr, nil)
		if err == nil || res == nil || res.StatusCode != want {
			t.Errorf("%q: got %v, %v", address, res, err)
		}
	}
}

func TestUpstreamThatDoesNotAnswer(t *testing.T) {
	addr := caddytest.Run(t, behind(Handler{
		HandshakeTimeout: caddy.Duration(50 * time.Millisecond),
		TryDuration:      caddy.Duration(10 * time.Millisecond),
		UpstreamsRaw:     staticUpstream(rawUpstream(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })),
	}))
	_, res, err := websocket.Dial(t.Context(), "ws://"+addr, nil)
	if err == nil || res == nil || res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("got %v, %v", res, err)
	}
}

// probed is a handler with the source that the proxy uses.
func probed(dns *upstreamstest.DNS, port int) Handler {
	return Handler{
		TryDuration: caddy.Duration(5 * time.Second),
		UpstreamsRaw: caddyconfig.JSONModuleObject(upstreams.Source{
			Upstream: fmt.Sprintf("convex.test:%d", port), Probe: "/health", Resolver: dns.Addr(),
			Interval: caddy.Duration(60 * time.Millisecond), Hold: caddy.Duration(5 * time.Second),
		}, "source", "probed", nil),
	}
}

func TestHandshakeIsHeldWhileTheUpstreamRestarts(t *testing.T) {
	dns, port := upstreamstest.NewDNS(t), upstreamstest.FreePort(t, "127.0.0.1")
	service := upstreamstest.NewService(t, "convex", "127.0.0.1", port, echo(t))
	dns.Set("convex.test", "127.0.0.1")
	addr := caddytest.Run(t, behind(probed(dns, port)))
	say(t, dial(t, "ws://"+addr, nil), []byte("before"))
	service.Kill()
	opened := make(chan error)
	go func() {
		conn, _, err := websocket.Dial(t.Context(), "ws://"+addr, nil)
		if err == nil {
			err = conn.CloseNow()
		}
		opened <- err
	}()
	upstreamstest.Eventually(t, "the upstream is out", func() bool { return !upstreams.States()[0].Available })
	service.Start()
	if err := <-opened; err != nil {
		t.Errorf("not opened after the restart: %v", err)
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
	upstreamstest.Eventually(t, "green takes over", func() bool {
		state := upstreams.States()[0]
		return len(state.Addresses) == 1 && state.Addresses[0].Address == green.Addr() && state.Available
	})
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
	upstreamstest.Eventually(t, "the goroutines of the sockets have ended", func() bool { return runtime.NumGoroutine() <= before+2 })
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

// closeStatus is how a socket was closed; zero if it just broke.
func closeStatus(err error) websocket.StatusCode {
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return closed.Code
	}
	return 0
}
