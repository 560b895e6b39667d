package proxy

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

var framingsOfEach = flag.Int("framings", 400, "how many generated requests to send to each server")

// startMarks starts servers that tell what comes past the proxy, and returns their
// addresses by name: see testdata/servers/marks.mjs.
func startMarks(t *testing.T) map[string]string {
	t.Helper()
	bun := filepath.Join(testkit.Servers(t), "bun")
	t.Setenv("PATH", testkit.NodePath(t))
	addresses := map[string]string{}
	for runtime, program := range map[string]string{"node": "node", "bun": bun} {
		servers := testkit.Start(t, exec.Command(program, filepath.Join("testdata", "servers", "marks.mjs")))
		var ports map[string]json.Number
		servers.Until("the ports", func() bool {
			at := strings.LastIndex(servers.Output.String(), "{\"reads\"")
			return at >= 0 && json.Unmarshal([]byte(servers.Output.String()[at:]), &ports) == nil
		})
		for name, port := range ports {
			addresses[runtime+": "+name] = net.JoinHostPort("127.0.0.1", port.String())
		}
	}
	return addresses
}

// framer makes requests of which two servers may not see the same end.
type framer struct {
	*rand.Rand
	number int
}

func (f *framer) pick(from ...string) string { return from[f.IntN(len(from))] }

// often returns the first in three of four cases.
func (f *framer) often(usual string, others ...string) string {
	if f.IntN(4) > 0 {
		return usual
	}
	return f.pick(others...)
}

// inner returns a whole request that must not become one of its own unless the proxy
// takes it for one.
func (f *framer) inner() string {
	return fmt.Sprintf("GET /inner%d HTTP/1.1\r\nHost: site.test\r\nX-Mark: inner%d\r\n\r\n", f.number, f.number)
}

// request returns bytes for HTTP/1.1.
func (f *framer) request() string {
	f.number++
	inner := f.inner()
	end := f.often("\r\n", "\n", "\r", "\r\r\n")
	var head strings.Builder
	line := func(text string) { head.WriteString(text + f.often("\r\n", end)) }
	line(f.method() + " " + f.pick("/x", "/x", "/x?y", "http://site.test/x", "/api/storage/x", "/api/1.2.3/sync", "*") + " " + f.often("HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 "))
	line("Host: site.test")
	line(fmt.Sprintf("X-Mark: attack%d", f.number))
	body := inner
	if f.IntN(2) == 0 {
		line(f.coding())
		body = f.chunks(inner) + f.pick("", inner)
	}
	if f.IntN(3) > 0 {
		line(f.length(len(body)))
	}
	for range f.IntN(3) {
		line(f.odd())
	}
	return head.String() + f.often("\r\n", end) + body + f.pick("", inner)
}

func (f *framer) method() string {
	return f.pick("POST", "GET", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "SOURCE", "PRI", "QUERY", "M-SEARCH", "X")
}

func (f *framer) coding() string {
	name := f.often("Transfer-Encoding:", "Transfer-Encoding :", " Transfer-Encoding:", "Transfer-Encoding:\r\n ", "transfer-encoding:", "Transfer_Encoding:", "X: y\rTransfer-Encoding:", "X: y\nTransfer-Encoding:")
	value := f.often(" chunked", " Chunked", "\tchunked", " chunked, chunked", " identity", " gzip, chunked", " chunked, identity", " chunked;x=y", " xchunked", " \x0bchunked", " chunked\x00", " \"chunked\"", " ,chunked", " chunked\r\nTransfer-Encoding: identity", "")
	return name + value
}

func (f *framer) length(n int) string {
	right := strconv.Itoa(n)
	value := f.often(right, "0", strconv.Itoa(n-1), strconv.Itoa(n+7), "+"+right, "-1", "0x1f", right+", "+right, right+",", "0"+right, right+" "+right, "18446744073709551616", "", right+"\r\nContent-Length: "+right, right+"\r\nContent-Length: 0", "\r\n "+right, "1_0", right+".0", right+"e0", "\x0b"+right)
	return f.often("Content-Length: ", "Content-Length:\t", "Content-Length : ", "content-length:", "Content_Length: ", "Content-Length\x00: ") + value
}

func (f *framer) odd() string {
	return f.pick(
		"Expect: 100-continue", "Expect: 100-Continue", "Expect: 100-continue, x", "Expect: 200-ok", "Expect:",
		"Connection: close", "Connection: keep-alive", "Connection: Content-Length", "Connection: Transfer-Encoding", "Connection: X-Request-Id, Host", "Proxy-Connection: keep-alive", "Keep-Alive: timeout=1",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Upgrade: websocket", "Connection: Upgrade\r\nUpgrade: x, websocket",
		"TE: trailers", "TE: chunked", "Trailer: Content-Length, X-Mark", "Trailer: Transfer-Encoding", "Range: bytes=0-0", "If-None-Match: *",
		"X: a\r\n b", "X: a\rb", "X: a\x00b", "X a: b", ": b", "X", "Host: other.test", "Content-Encoding: gzip", "X-Request-Id: mine", strings.Repeat("X: y\r\n", 120)+"X: y", "X: "+strings.Repeat("z", 20000),
	)
}

// chunks returns a body in pieces.
func (f *framer) chunks(body string) string {
	var out strings.Builder
	for body != "" {
		n := 1 + f.IntN(len(body))
		size := strconv.FormatInt(int64(n), 16)
		out.WriteString(f.often(size, "0x"+size, "+"+size, " "+size, size+" ", "00000"+size, strings.ToUpper(size), size+";x", size+";x=\"\r\n\"", size+";x\ny", strconv.FormatInt(int64(n+3), 16), "ffffffffffffffff1", "-1"))
		out.WriteString(f.often("\r\n", "\n", "\r", "") + body[:n] + f.often("\r\n", "\n", "", "x\r\n"))
		body = body[n:]
	}
	return out.String() + f.often("0\r\n", "0\n", "00\r\n", "0;x\r\n", "", "0x0\r\n") + f.often("", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "X-Request-Id: x\r\n", "Host: other.test\r\n", "X: y\n", " x\r\n", "GET /x HTTP/1.1\r\n") + f.often("\r\n", "\n", "")
}

// fields returns the head and body of a request for HTTP/2 and HTTP/3.
func (f *framer) fields() (fields []field, body string) {
	f.number++
	body = f.pick("", f.inner(), "0\r\n\r\n"+f.inner())
	fields = []field{
		{":method", f.method()}, {":scheme", "https"}, {":authority", siteName},
		{":path", f.often("/x", "/x?y", "/api/storage/x", "/x HTTP/1.1\r\nX: y", "/x?y z", "*", "", "x", "//x", "/x#y", "http://site.test/x", "/x\ty")},
		{"x-mark", fmt.Sprintf("attack%d", f.number)},
	}
	if f.IntN(2) == 0 {
		n := len(body)
		fields = append(fields, field{"content-length", f.often(strconv.Itoa(n), "0", strconv.Itoa(n+5), strconv.Itoa(max(n-1, 0)), "+"+strconv.Itoa(n), strconv.Itoa(n)+", "+strconv.Itoa(n), "x", "")})
	}
	for range f.IntN(3) {
		fields = append(fields, [...]field{
			{"transfer-encoding", "chunked"}, {"content-length", "3"}, {"connection", "content-length"}, {"upgrade", "h2c"}, {"expect", "100-continue"}, {"expect", "x"}, {"te", "trailers"}, {"trailer", "x-mark, content-length"},
			{"x-a", "b\r\n\r\n" + f.inner()}, {"x-a", "b\nx: y"}, {"x-a", "b\x00"}, {"x-a\r\nx", "y"}, {"x a", "y"}, {"host", "other.test"}, {"x-request-id", "mine"}, {"range", "bytes=0-0"}, {"content_length", "5"}, {"keep-alive", "5"},
		}[f.IntN(18)])
	}
	return fields, body
}

// TestNoRequestReachesAServerPastTheProxy sends generated requests through to real
// servers, over all protocols, while visitors ask over the same connections: each of these
// gets its own answer, and no server gets a request that the proxy has not seen.
func TestNoRequestReachesAServerPastTheProxy(t *testing.T) {
	for name, address := range startMarks(t) {
		t.Run(name, func(t *testing.T) {
			p := start(t, config.Environ{"PLATFORM_UPSTREAM": address, "CONVEX_UPSTREAM": address, "HTTP3": "on", "ASSETS_CACHE": "0"})
			end := make(chan struct{})
			var visitors sync.WaitGroup
			var answered atomic.Int64
			for v := range 4 {
				visitors.Go(func() { answered.Add(int64(p.askMarked(v, end))) })
			}
			p.attackFramings()
			close(end)
			visitors.Wait()
			response, err := http.Get("http://" + address + "/strays") //nolint:noctx // on loopback
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			if strays := text(t, response); strings.TrimSpace(strays) != "[]" {
				t.Errorf("past the proxy came %.2000s", strays)
			}
			t.Logf("%d requests, %d visits between them", *framingsOfEach, answered.Load())
			if answered.Load() < 50 {
				t.Error("that says little")
			}
		})
	}
}

// attackFramings sends half of the requests over HTTP/1.1, the others over HTTP/2 and 3.
func (p *running) attackFramings() {
	p.Helper()
	var attackers sync.WaitGroup
	const parallel = 8
	for a := range parallel {
		attackers.Go(func() {
			f := &framer{Rand: rand.New(rand.NewPCG(9, uint64(a))), number: a * 1_000_000}
			over3 := &rawHTTP3{running: p}
			for i := a; i < *framingsOfEach; i += parallel {
				switch i / parallel % 4 {
				case 0, 1:
					p.sendRaw(f.request())
				case 2:
					fields, body := f.fields()
					p.sendFramed(fields, body)
				case 3:
					fields, body := f.fields()
					over3.send(fields, body)
				}
			}
		})
	}
	attackers.Wait()
}

// sendRaw sends bytes over HTTP/1.1, and takes what comes back for a while.
func (p *running) sendRaw(request string) {
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort)), &tls.Config{RootCAs: p.roots, ServerName: siteName})
	if err != nil {
		p.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, request)
	_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, _ = io.Copy(io.Discard, conn)
}

// sendFramed sends a request over HTTP/2.
func (p *running) sendFramed(fields []field, body string) {
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.settings.HTTPSPort)), &tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{"h2"}})
	if err != nil {
		p.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	framer := openStreamOn(conn, fields, body == "")
	if body != "" {
		_ = framer.WriteData(1, true, []byte(body))
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return
		}
		switch frame.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return
		}
		if frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return
		}
	}
}

// askMarked asks until the end, and returns how often.
func (p *running) askMarked(visitor int, end chan struct{}) (asked int) {
	client := p.newClient()
	for ; ; asked++ {
		select {
		case <-end:
			return asked
		default:
		}
		mark := fmt.Sprintf("visitor%d-%d", visitor, asked)
		method, target, body := http.MethodGet, "/v", ""
		if asked%2 == 0 {
			method, target, body = http.MethodPost, "/api/storage/v", mark
		}
		request, _ := http.NewRequestWithContext(p.Context(), method, p.base()+target, strings.NewReader(body))
		request.Header.Set("X-Mark", mark)
		response, err := client.Do(request)
		if err != nil {
			p.Errorf("%s: %v", mark, err)
			return asked
		}
		got, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if told := response.Header.Get("X-Mark"); err != nil || told != mark || response.StatusCode != http.StatusOK {
			p.Errorf("%s got the answer of %q: %d, %q, %v", mark, told, response.StatusCode, got, err)
		}
	}
}
