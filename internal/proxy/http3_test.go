package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/tale-project/tale-runtime/internal/config"
)

// overHTTP3 is a client that speaks nothing else.
func (p *running) overHTTP3() *http3.ClientConn {
	p.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort))
	conn, err := quic.DialAddr(p.Context(), address, &tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{http3.NextProtoH3}}, nil)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	return (&http3.Transport{}).NewClientConn(conn)
}

func TestHTTP3(t *testing.T) {
	p := start(t, config.Environ{"HTTP3": "on"})
	request, _ := http.NewRequestWithContext(t.Context(), "GET", "https://"+siteName+"/x?y", nil)
	response, err := p.overHTTP3().RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if got := echoed(t, response); response.ProtoMajor != 3 || upstreamName(got.On) != platformUpstream || got.URI != "/x?y" || got.Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("%s: %+v", response.Proto, got)
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

// Caddy takes a WebSocket over HTTP/3 for a request whose body does not come, and
// gives it up after a minute; here, after less.
func TestSilentSocketsOverHTTP3AreNotCut(t *testing.T) {
	const limit = 100 * time.Millisecond
	p := startEdited(t, config.Environ{"HTTP3": "on"}, func(cfg *caddy.Config) {
		replaceInHTTP(t, cfg, `"read_header_timeout"`, `"read_idle_timeout":`+strconv.Itoa(int(limit))+`,"read_header_timeout"`)
	})
	for target := range socketRoutes {
		client := p.overHTTP3()
		stream, err := client.OpenRequestStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-client.ReceivedSettings()
		path, err := url.Parse("https://" + siteName + target)
		if err != nil {
			t.Fatal(err)
		}
		request := &http.Request{Method: http.MethodConnect, Proto: "websocket", URL: path, Host: siteName, Header: http.Header{"Sec-Websocket-Version": {"13"}}}
		if err := stream.SendRequestHeader(request.WithContext(t.Context())); err != nil {
			t.Fatal(err)
		}
		response, err := stream.ReadResponse()
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %v, %+v", target, err, response)
		}
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
		// Caddy's closing of such sockets at its end races with what still runs in
		// them, so that the race detector complains.
		_ = stream.Close()
		_, _ = io.Copy(io.Discard, stream)
	}
}
