package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Requests whose length two servers could read differently must be refused, or
// sent on with one length that both agree on.
func TestNoRequestIsSmuggledInsideAnother(t *testing.T) {
	var requests, smuggled atomic.Int32
	count := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/health" || r.URL.Path == "/version" {
			return // a probe
		}
		requests.Add(1)
		if strings.Contains(r.URL.Path, "smuggled") {
			smuggled.Add(1)
		}
		_, _ = io.Copy(io.Discard, r.Body)
	})
	p := start(t, config.Environ{"TLS_MODE": "external", "PLATFORM_UPSTREAM": serve(t, count)})
	const inner = "GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n"
	for name, head := range map[string]string{
		"two lengths":             "Content-Length: 0\r\nContent-Length: 49\r\n",
		"length list":             "Content-Length: 0, 49\r\n",
		"signed length":           "Content-Length: +0\r\n",
		"length and chunks":       "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
		"unknown coding":          "Transfer-Encoding: xchunked\r\n",
		"coding twice":            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
		"coding with a tab":       "Transfer-Encoding:\tchunked\r\n",
		"space before the colon":  "Transfer-Encoding : chunked\r\n",
		"folded line":             "Transfer-Encoding:\r\n chunked\r\n",
		"bare line feed":          "X: y\nTransfer-Encoding: chunked\r\n",
		"length under a bad name": "Content_Length: 49\r\nContent-Length: 0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			before := smuggled.Load()
			conn := p.dial(nil)
			_, _ = fmt.Fprintf(conn, "POST /outer HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n%s\r\n0\r\n\r\n%s", head, inner)
			_, _ = io.Copy(io.Discard, conn) // until the proxy hangs up
			if smuggled.Load() != before {
				t.Error("the upstream got the request inside")
			}
		})
	}
	if requests.Load() == 0 {
		t.Error("nothing arrived at all: the upstream does not count")
	}
}
