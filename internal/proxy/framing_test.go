package proxy

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
)

// framings are heads of a POST whose length two servers could read differently,
// and bodies that end where only one of them thinks. %I is a whole request, which
// must not become one of its own.
var framings = map[string]string{
	"two lengths":              "Content-Length: 0\r\nContent-Length: 44\r\n\r\n%I",
	"two lengths, other order": "Content-Length: 44\r\nContent-Length: 0\r\n\r\n%I",
	"length list":              "Content-Length: 0, 44\r\n\r\n%I",
	"signed length":            "Content-Length: +0\r\n\r\n%I",
	"negative length":          "Content-Length: -1\r\n\r\n%I",
	"hexadecimal length":       "Content-Length: 0x0\r\n\r\n%I",
	"underscored length":       "Content-Length: 0_0\r\n\r\n%I",
	"overflowing length":       "Content-Length: 18446744073709551616\r\n\r\n%I",
	"length with a comma":      "Content-Length: 0,\r\n\r\n%I",
	"length with a space":      "Content-Length: 0 44\r\n\r\n%I",
	"length after a tab":       "Content-Length:\t44\r\n\r\n%I",
	"empty length":             "Content-Length:\r\n\r\n%I",
	"length, space, colon":     "Content-Length : 44\r\n\r\n%I",
	"length and chunks":        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%I",
	"chunks and length":        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n%I",
	"length by another name":   "Content_Length: 44\r\nContent-Length: 0\r\n\r\n%I",
	"length with a full stop":  "Content.Length: 44\r\nContent-Length: 0\r\n\r\n%I",

	"unknown coding":            "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n%I",
	"coding and its end":        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n%I",
	"coding before chunks":      "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n%I",
	"identity":                  "Transfer-Encoding: identity\r\nContent-Length: 44\r\n\r\n%I",
	"coding twice":              "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n%I",
	"chunked twice":             "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%I",
	"coding with a parameter":   "Transfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n%I",
	"quoted coding":             "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n%I",
	"coding after a comma":      "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n%I",
	"coding in capitals":        "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n%I",
	"coding after a tab":        "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n%I",
	"coding, vertical tab":      "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n%I",
	"coding, NUL":               "Transfer-Encoding: chunked\x00\r\n\r\n0\r\n\r\n%I",
	"coding, umlaut":            "Transfer-Encoding: chunked\xff\r\n\r\n0\r\n\r\n%I",
	"coding, space, colon":      "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n%I",
	"coding on a folded line":   "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n%I",
	"fold before the coding":    "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n%I",
	"space before the name":     " Transfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n%I",
	"coding by another name":    "Transfer_Encoding: chunked\r\nContent-Length: 44\r\n\r\n%I",
	"coding after a line feed":  "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%I",
	"coding after a return":     "X: y\rTransfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n%I",
	"a name that holds a field": "X: y\x00Transfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n%I",
	"no name":                   ": chunked\r\nContent-Length: 44\r\n\r\n%I",
	"no colon":                  "Transfer-Encoding chunked\r\nContent-Length: 44\r\n\r\n%I",
	"line feeds only":           "Content-Length: 44\n\n%I",

	"length is hop by hop":     "Connection: Content-Length\r\nContent-Length: 44\r\n\r\n%I",
	"coding is hop by hop":     "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%I",
	"host is hop by hop":       "Connection: Host\r\nContent-Length: 44\r\n\r\n%I",
	"everything is hop by hop": "Connection: Content-Length, Transfer-Encoding, Host, Connection\r\nContent-Length: 44\r\n\r\n%I",
	"two hosts":                "Host: other.test\r\nContent-Length: 44\r\n\r\n%I",
	"expects to go on":         "Expect: 100-continue\r\nContent-Length: 44\r\n\r\n%I",
	"expects nonsense":         "Expect: 100-continue, x\r\nContent-Length: 44\r\n\r\n%I",
	"proxy connection":         "Proxy-Connection: keep-alive\r\nKeep-Alive: 5\r\nContent-Length: 44\r\n\r\n%I",
	"upgrade with a body":      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 44\r\n\r\n%I",

	"chunk with 0x":              "Transfer-Encoding: chunked\r\n\r\n0x2c\r\n%I\r\n0\r\n\r\n",
	"chunk with a sign":          "Transfer-Encoding: chunked\r\n\r\n+2c\r\n%I\r\n0\r\n\r\n",
	"chunk with spaces":          "Transfer-Encoding: chunked\r\n\r\n 2c \r\n%I\r\n0\r\n\r\n",
	"chunk with an extension":    "Transfer-Encoding: chunked\r\n\r\n2c;x=\"\r\n%I\r\n0\r\n\r\n",
	"extension with a line feed": "Transfer-Encoding: chunked\r\n\r\n2;x\nxx\r\n0\r\n\r\n%I",
	"chunk with leading zeros":   "Transfer-Encoding: chunked\r\n\r\n0000000000000000002c\r\n%I\r\n0\r\n\r\n",
	"overflowing chunk":          "Transfer-Encoding: chunked\r\n\r\n1000000000000002c\r\n%I\r\n0\r\n\r\n",
	"chunk that is too long":     "Transfer-Encoding: chunked\r\n\r\n2\r\nxxxx\r\n0\r\n\r\n%I",
	"chunk without a return":     "Transfer-Encoding: chunked\r\n\r\n2\nxx\n0\n\n%I",
	"chunk ends in a return":     "Transfer-Encoding: chunked\r\n\r\n2\rxx\r0\r\r%I",
	"empty chunk":                "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n%I",
	"trailer with a length":      "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 44\r\n\r\n%I",
	"announced trailer":          "Trailer: Content-Length, Authorization\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: x\r\n\r\n%I",
	"trailer after a line feed":  "Transfer-Encoding: chunked\r\n\r\n0\n\n%I",
}

// Such requests are refused, or sent on with one length that everybody reads the
// same way. What follows them on the connection is a request of its own only
// where the proxy, too, takes it for one: then it has gone through the routes and
// is answered.
func TestNoRequestIsSmuggledInsideAnother(t *testing.T) {
	strict, address := startStrict(t)
	p := start(t, config.Environ{"TLS_MODE": "external", "PLATFORM_UPSTREAM": address, "CONVEX_UPSTREAM": address})
	var exchanges sync.WaitGroup
	answered := map[string]int{}
	var mu sync.Mutex
	number := 100
	for name, framing := range framings {
		for _, target := range []string{"/", "/api/storage/", "/api/1.2.3/sync"} {
			number++
			tag := fmt.Sprintf("case=%d", number)
			inner := fmt.Sprintf("GET /?%s HTTP/1.1\r\nHost: site.test\r\n\r\n", tag) // 44 bytes
			conn := p.dial(nil)
			exchanges.Go(func() {
				_, _ = fmt.Fprintf(conn, "POST %s?%s HTTP/1.1\r\nHost: site.test\r\n%s", target, tag, strings.ReplaceAll(framing, "%I", inner))
				// Until the proxy hangs up or waits for the rest.
				_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second))
				answers, _ := io.ReadAll(conn)
				mu.Lock()
				defer mu.Unlock()
				answered[name+", "+target+"?"+tag] = strings.Count(string(answers), "HTTP/1.1 200 OK")
			})
		}
	}
	exchanges.Wait()
	heads, faults := strict.take()
	for _, fault := range faults {
		t.Error(fault)
	}
	for name, answers := range answered {
		_, tag, _ := strings.Cut(name, "?")
		arrived := 0
		for _, head := range heads {
			if strings.Contains(head, tag+" ") {
				arrived++
			}
		}
		if arrived != answers {
			t.Errorf("%s: %d requests arrived, %d were answered", name, arrived, answers)
		}
	}
	if len(heads) < number/10 {
		t.Errorf("%d requests arrived: the upstream does not count", len(heads))
	}
	t.Logf("%d connections, %d requests arrived", len(answered), len(heads))
}
