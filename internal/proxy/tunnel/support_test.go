package tunnel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func init() { caddy.RegisterModule(static{}) }

// static is an upstream source with one address, for tests that have no name to
// resolve.
type static struct {
	Address string `json:"address"`
}

func (static) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.upstreams.tale_test", New: func() caddy.Module { return new(static) }}
}

func (s *static) GetUpstreams(*http.Request) ([]*reverseproxy.Upstream, error) {
	if s.Address == "" {
		return nil, nil
	}
	return []*reverseproxy.Upstream{{Dial: s.Address}}, nil
}

func staticUpstream(address string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"source":"tale_test","address":%q}`, address))
}

// echo answers every message with itself, until the client closes.
func echo(t testing.TB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"convex"}})
		if err != nil {
			t.Errorf("the upstream cannot accept: %v", err)
			return
		}
		conn.SetReadLimit(8 << 20)
		defer conn.CloseNow()
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

// behind returns a server whose requests go through the tunnel, and end with status
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

func overTLS(id *caddytest.Identity) *websocket.DialOptions {
	return &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: id.ClientConfig()}}}
}

// rawHandshake asks for a socket and leaves the answer to the caller.
func rawHandshake(t testing.TB, addr string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, browserHandshake); err != nil {
		t.Fatal(err)
	}
	tcp, _ := conn.(*net.TCPConn)
	return tcp
}

// rawUpstream reads handshakes and lets serve do with the connections what it
// likes; they are closed after it.
func rawUpstream(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	return testkit.Listen(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		serve(conn)
	})
}

const accepted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"

// probed returns a handler with the source that the proxy uses.
func probed(dns *upstreamstest.DNS, port int) Handler {
	return Handler{
		TryDuration: caddy.Duration(5 * time.Second),
		UpstreamsRaw: caddyconfig.JSONModuleObject(upstreams.Source{
			Upstream: fmt.Sprintf("convex.test:%d", port), Probe: "/health", Resolver: dns.Addr(),
			Interval: caddy.Duration(60 * time.Millisecond), Hold: caddy.Duration(5 * time.Second),
		}, "source", "probed", nil),
	}
}

// closeStatus returns how a socket was closed; zero if it just broke.
func closeStatus(err error) websocket.StatusCode {
	if closed, ok := errors.AsType[websocket.CloseError](err); ok {
		return closed.Code
	}
	return 0
}
