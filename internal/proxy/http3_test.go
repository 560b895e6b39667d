package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// overHTTP3 returns a client that speaks nothing else, on one of the names.
func (p *running) overHTTP3(name string) *http3.ClientConn {
	p.Helper()
	conn, err := p.dialHTTP3(name)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	return (&http3.Transport{}).NewClientConn(conn)
}

func TestHTTP3(t *testing.T) {
	p := start(t, config.Environ{"HTTP3": "on"})
	request, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+siteName+"/x?y", nil)
	response, err := p.overHTTP3(siteName).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if got := echoed(t, response); response.ProtoMajor != 3 || routes.Upstream(got.On) != routes.Platform || got.URI != "/x?y" || got.Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("%s: %+v", response.Proto, got)
	}
}

// Another site has its own certificate there, too, and all of it goes to its service.
func TestHTTP3OfAnExtraSite(t *testing.T) {
	p := start(t, config.Environ{"HTTP3": "on", "EXTRA_SITES": docsName + "=" + docsService(t)})
	for name, want := range map[string]routes.Upstream{docsName: docs, siteName: routes.Platform} {
		client := p.overHTTP3(name)
		for target, on := range map[string]routes.Upstream{"https://" + name + "/x?y": want, "https://other.test/": ""} {
			request, _ := http.NewRequestWithContext(t.Context(), "GET", target, nil)
			response, err := client.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			if on == "" {
				if response.StatusCode != http.StatusMisdirectedRequest {
					t.Errorf("%s on a connection to %s: %d", target, name, response.StatusCode)
				}
				continue
			}
			if got := echoed(t, response); routes.Upstream(got.On) != on || got.URI != "/x?y" || response.ProtoMajor != 3 {
				t.Errorf("%s: %+v", target, got)
			}
		}
	}
	page := p.get("/", onDocs())
	if advertised := page.Header.Get("Alt-Svc"); !strings.Contains(advertised, "h3=") {
		t.Errorf("over TCP %s offers %q", docsName, advertised)
	}
}

func TestHTTP3IsOffUnlessAskedFor(t *testing.T) {
	p := start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort))
	if _, err := quic.DialAddr(ctx, address, &tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{http3.NextProtoH3}}, nil); err == nil {
		t.Error("somebody answers")
	}
}

// socketOverHTTP3 opens a WebSocket.
func (p *running) socketOverHTTP3(target string) *http3.RequestStream {
	p.Helper()
	stream, response := p.connectOverHTTP3(target, http.Header{})
	if response.StatusCode != http.StatusOK {
		p.Fatalf("%s: %+v", target, response)
	}
	return stream
}

// connectOverHTTP3 asks for a WebSocket as RFC 9220 describes.
func (p *running) connectOverHTTP3(target string, header http.Header) (*http3.RequestStream, *http.Response) {
	p.Helper()
	header["Sec-Websocket-Version"] = []string{"13"}
	client := p.overHTTP3(siteName)
	stream, err := client.OpenRequestStream(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	<-client.ReceivedSettings()
	path, err := url.Parse("https://" + siteName + target)
	if err != nil {
		p.Fatal(err)
	}
	request := &http.Request{Method: http.MethodConnect, Proto: "websocket", URL: path, Host: siteName, Header: header}
	if err := stream.SendRequestHeader(request.WithContext(p.Context())); err != nil {
		p.Fatal(err)
	}
	response, err := stream.ReadResponse()
	if err != nil {
		p.Fatal(err)
	}
	return stream, response
}

// Over HTTP/3 every success opens a socket; an upstream's page must not.
func TestSocketsOverHTTP3AreRefusedWithAnError(t *testing.T) {
	for answer, want := range map[int]int{http.StatusOK: http.StatusBadGateway, http.StatusForbidden: http.StatusForbidden} {
		t.Run(strconv.Itoa(answer), func(t *testing.T) {
			backend := echo(t, "backend", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) })
			p := start(t, config.Environ{"HTTP3": "on", "CONVEX_UPSTREAM": backend})
			_, response := p.connectOverHTTP3("/api/1.2.3/sync", http.Header{"X-Do": {"1"}})
			if response.StatusCode != want {
				t.Errorf("it became %d, want %d", response.StatusCode, want)
			}
		})
	}
}

// Caddy takes a WebSocket over HTTP/3 for a request whose body does not come, and
// gives it up after a minute; here, after less.
func TestSilentSocketsOverHTTP3AreNotCut(t *testing.T) {
	const limit = 100 * time.Millisecond
	p := startEdited(t, config.Environ{"HTTP3": "on"}, func(cfg *caddy.Config) {
		replaceInHTTP(t, cfg, `"read_header_timeout"`, `"read_idle_timeout":`+strconv.Itoa(int(limit))+`,"read_header_timeout"`)
	})
	for target := range socketRoutes {
		stream := p.socketOverHTTP3(target)
		for _, message := range []string{"one", "two"} {
			if _, err := io.WriteString(stream, message); err != nil {
				t.Fatalf("%s: %q: %v", target, message, err)
			}
			_ = stream.SetReadDeadline(time.Now().Add(5 * time.Second))
			back := make([]byte, len(message))
			if _, err := io.ReadFull(stream, back); err != nil || string(back) != message {
				t.Errorf("%s: %q came back as %q, %v", target, message, back, err)
			}
			<-time.After(3 * limit) // the silence
		}
	}
}

func TestSocketsOverHTTP3GetACloseFrameOnStop(t *testing.T) {
	t.Parallel()
	p := spawnReady(t, environ(t, config.Environ{"HTTP3": "on"}))
	var sockets []io.Reader
	for target := range socketRoutes {
		sockets = append(sockets, p.socketOverHTTP3(target))
	}
	p.saysGoodbye(sockets)
}

// dialHTTP3 opens a connection for a name and leaves it idle.
func (p *running) dialHTTP3(name string) (*quic.Conn, error) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort))
	return quic.DialAddr(p.Context(), address, &tls.Config{RootCAs: p.roots, ServerName: name, NextProtos: []string{http3.NextProtoH3}}, nil)
}

func TestConnectionsOverHTTP3AreCounted(t *testing.T) {
	p := start(t, config.Environ{"HTTP3": "on", "VISITOR_CONNECTIONS": "2"})
	var first *quic.Conn
	var err error
	testkit.Eventually(t, "there is room for the first", func() bool { first, err = p.dialHTTP3(siteName); return err == nil })
	var second *tls.Conn
	testkit.Eventually(t, "the connections that the start has made are forgotten", func() bool {
		second, err = tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort)), &tls.Config{RootCAs: p.roots, ServerName: siteName})
		return err == nil
	})
	refused := new(quic.TransportError)
	if _, err := p.dialHTTP3(siteName); !errors.As(err, &refused) || refused.ErrorCode != quic.ConnectionRefused {
		t.Errorf("a third connection of one visitor with room for two: %v", err)
	}
	_ = second.Close()
	p.eventuallyDials()
	_ = first.CloseWithError(0, "")
	p.eventuallyDials()
}

// deaf is a socket that hears nothing: what it sends comes in the name of an address at
// which nobody has asked for it.
type deaf struct{ net.PacketConn }

func (d deaf) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		if _, _, err := d.PacketConn.ReadFrom(p); err != nil {
			return 0, nil, err
		}
	}
}

// First packets in the names of many others must not take the room of visitors.
func TestForgedFirstPacketsHoldLittle(t *testing.T) {
	p := start(t, config.Environ{"HTTP3": "on"})
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p.settings.HTTPSPort}
	ctx, cancel := context.WithCancel(t.Context())
	var visitors sync.WaitGroup
	defer visitors.Wait()
	defer cancel()
	for i := range 200 {
		socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 9, byte(i/100), byte(1+i%100))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = socket.Close() })
		visitors.Go(func() {
			_, _ = quic.Dial(ctx, deaf{socket}, to, &tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{http3.NextProtoH3}}, nil)
		})
	}
	held := func() int { return p.metric("tale_proxy_connections") }
	testkit.Eventually(t, "the first of them are held", func() bool { return held() >= 20 })
	p.eventuallyDials()
	if n := held(); n > 60 {
		t.Errorf("%d connections are held", n)
	}
}

// metric returns a number that the proxy tells of itself.
func (p *running) metric(name string) int {
	p.Helper()
	for line := range strings.Lines(text(p.T, p.onHealthPort("/metrics"))) {
		if found, value, _ := strings.Cut(strings.TrimSpace(line), " "); found == name {
			number, _ := strconv.ParseFloat(value, 64)
			return int(number)
		}
	}
	p.Fatalf("there is no %s", name)
	return 0
}

func (p *running) eventuallyDials() {
	p.Helper()
	testkit.Eventually(p, "there is room again", func() bool { _, err := p.dialHTTP3(siteName); return err == nil })
}
