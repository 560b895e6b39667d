package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

const handshake = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"

// upgrade asks for a protocol on a path and returns the answer, and the
// connection behind it.
func (p *running) upgrade(target, protocol string) (*http.Response, io.ReadWriter) {
	p.Helper()
	conn := p.dial(nil)
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s\r\n", target, siteName, protocol, handshake); err != nil {
		p.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { _ = response.Body.Close() })
	return response, struct {
		io.Reader
		io.Writer
	}{reader, conn}
}

var socketRoutes = map[string]string{
	"/ws_api/api/1.35.1/sync": "backend /api/1.35.1/sync",
	"/ws_api/api/sync":        "backend /api/sync",
	"/api/1.35.1/sync?x=1":    "backend /api/1.35.1/sync?x=1",
}

func TestSockets(t *testing.T) {
	p := start(t, nil)
	for target, want := range socketRoutes {
		response, conn := p.upgrade(target, "WebSocket")
		if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("X-Seen") != want {
			t.Errorf("%s: %d, upstream saw %q, want %q", target, response.StatusCode, response.Header.Get("X-Seen"), want)
			continue
		}
		if _, err := io.WriteString(conn, "frames, in both directions"); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, len("frames, in both directions"))
		if _, err := io.ReadFull(conn, back); err != nil || string(back) != "frames, in both directions" {
			t.Errorf("%s: got back %q, %v", target, back, err)
		}
	}
}

func TestSocketsAreToldAboutTheVisitor(t *testing.T) {
	p := start(t, config.Environ{"TLS_MODE": "external"})
	conn := p.dial(nil)
	_, _ = fmt.Fprintf(conn, "GET /api/1.2.3/sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, X-Real-Ip\r\nUpgrade: websocket\r\nX-Forwarded-For: 203.0.113.9\r\n%s\r\n", handshake)
	response := readResponse(t, conn)
	if got := response.Header.Get("X-Told"); got != "https 203.0.113.9 203.0.113.9, 127.0.0.1" {
		t.Errorf("%d, the upstream was told %q", response.StatusCode, got)
	}
}

func TestSocketCompressionIsForTheOperatorToDecide(t *testing.T) {
	for setting, want := range map[string]string{"strip": "", "pass": "permessage-deflate"} {
		t.Run(setting, func(t *testing.T) {
			p := start(t, config.Environ{"WEBSOCKET_COMPRESSION": setting})
			for target := range socketRoutes {
				response, _ := p.upgrade(target, "websocket")
				if got := response.Header.Get("X-Extensions"); got != want {
					t.Errorf("%s: the upstream was offered %q, want %q", target, got, want)
				}
			}
		})
	}
}

func TestUpgradesOnlyToWebSocketAndOnlyOnSocketRoutes(t *testing.T) {
	p := start(t, nil)
	for _, target := range []string{"/", "/convex-dashboard/x", "/api/x", "/api/storage/x", "/api/actions/x", "/http_api/x", "/ws_api/api/query"} {
		response, _ := p.upgrade(target, "websocket")
		if got := echoed(t, response); response.StatusCode != http.StatusOK || got.Header.Get("Upgrade") != "" {
			t.Errorf("%s: %d, Upgrade %q reached %s", target, response.StatusCode, got.Header.Get("Upgrade"), got.On)
		}
	}
	for target := range socketRoutes {
		for _, protocol := range []string{"h2c", "websocket, h2c", "TLS/1.0", "websocket2"} {
			response, _ := p.upgrade(target, protocol)
			if got := echoed(t, response); response.StatusCode != http.StatusOK || got.Header.Get("Upgrade") != "" {
				t.Errorf("%s %s: %d, Upgrade %q reached %s", target, protocol, response.StatusCode, got.Header.Get("Upgrade"), got.On)
			}
		}
	}
}

func TestTunnelsByConnectAreRefused(t *testing.T) {
	p := start(t, nil)
	for _, line := range []string{"CONNECT site.test:443", "CONNECT /", "CONNECT /x", "CONNECT /api/1.2.3/sync"} {
		response := p.raw(line + " HTTP/1.1\nHost: " + siteName + "\nConnection: close\n\n")
		if body := text(t, response); response.StatusCode < 400 || strings.Contains(body, "platform") {
			t.Errorf("%s: %d %s", line, response.StatusCode, body)
		}
	}
}
