package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// An informational answer goes on without a length, which the proxy may use inside.
func TestAHintHasNoLength(t *testing.T) {
	p := start(t, config.Environ{"HTTP3": "on", "PLATFORM_UPSTREAM": byHand(t, func(conn net.Conn, _ *bufio.Reader, _ string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
	})})
	classic, overHTTP2 := p.newClient().Transport, p.newClient().Transport.(*http.Transport)
	overHTTP2.ForceAttemptHTTP2 = true
	for protocol, via := range map[string]http.RoundTripper{"HTTP/1.1": classic, "HTTP/2.0": overHTTP2, "HTTP/3.0": p.overHTTP3(siteName)} {
		hints := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, header textproto.MIMEHeader) error {
			if hints++; status != http.StatusEarlyHints || header["Link"] == nil || header["Content-Length"] != nil {
				t.Errorf("%s: %d has %v", protocol, status, header)
			}
			return nil
		}})
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+siteName+"/x", nil)
		response, err := via.RoundTrip(request)
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		if body := text(t, response); body != "body" || response.ContentLength != 4 || response.Proto != protocol || hints != 1 {
			t.Errorf("%s: %d hints, and %q of %d bytes over %s", protocol, hints, body, response.ContentLength, response.Proto)
		}
	}
}
