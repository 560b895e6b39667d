package tunnel

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
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
	"github.com/tale-project/tale-runtime/internal/testkit"
)

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
	_ = listener.Close()
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
	testkit.Eventually(t, "the upstream is out", func() bool { return !upstreams.States()[0].Available })
	service.Start()
	if err := <-opened; err != nil {
		t.Errorf("not opened after the restart: %v", err)
	}
}

func TestAnswerOfTheUpstreamIsCleaned(t *testing.T) {
	addr := caddytest.Run(t, behind(Handler{UpstreamsRaw: staticUpstream(rawUpstream(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: upgrade, X-Hop\r\n"+
			"Upgrade: WebSocket\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\nSec-WebSocket-Accept: abc\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
	}))}))
	answer := bufio.NewReader(rawHandshake(t, addr))
	var lines []string
	for {
		line, err := answer.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
		if !strings.HasPrefix(line, "Date:") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	want := []string{"HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Sec-WebSocket-Accept: abc", "Upgrade: websocket", "X-Kept: 1"}
	slices.Sort(lines)
	slices.Sort(want)
	if !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
}
