package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// stray is an answer that nobody has asked for.
const stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"

// brokenAnswers are answers after which a server goes on as if they were good; %S is a
// stray one.
var brokenAnswers = []string{
	"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n%S", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n%S", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n%S",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok%S", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n%S", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n%S",
	"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n%S", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 60\r\n\r\nok%S", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok%S",
	"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok%S", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok%S", "HTTP/1.1 200 OK\r\nContent-Length: 2\n\nok%S", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nok%S",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=\"\r\nok\r\n0\r\n\r\n%S", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n%S", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n%S", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\nok%S",
	"HTTP/1.1 100 Continue\r\n\r\n%S", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n%S%S", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n%S", "HTTP/1.1 101 \r\n\r\n%S",
	"%S%S%S", "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n%S", "HTTP/1.1 20 OK\r\n\r\n%S", "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok%S", "HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok%S", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok%S",
	"200 OK\r\n\r\n%S", "\r\n\r\n%S", "\x00\x01%S", "HTTP/1.1 200 OK\r\nX y: z\r\nContent-Length: 2\r\n\r\nok%S", "HTTP/1.1 200 OK\r\n: z\r\nContent-Length: 2\r\n\r\nok%S", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok%S", "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok%S",
	"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\nContent-Length: 5\r\n\r\n%S", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok%S", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok%S",
}

// brokenAnswer returns one of those, or one that chance puts together.
func brokenAnswer(n int) string {
	if n < len(brokenAnswers) {
		return brokenAnswers[n]
	}
	random := rand.New(rand.NewPCG(uint64(n), 3))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	var out strings.Builder
	for range random.IntN(3) { // informational ones
		out.WriteString("HTTP/1.1 " + pick("100 Continue", "102 Processing", "103 Early Hints", "199 X", "101 Switching Protocols") + "\r\n")
		out.WriteString(pick("", "Link: </x>\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Upgrade: websocket\r\n") + "\r\n")
	}
	out.WriteString(pick("HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 ", "HTTP/1.2 ", ""))
	out.WriteString(pick("200 OK", "200 OK", "204 No Content", "205 Reset Content", "206 Partial Content", "304 Not Modified", "401 X", "500 X", "200", "0200 OK") + pick("\r\n", "\r\n", "\n"))
	for range random.IntN(4) {
		out.WriteString(pick("Content-Length: 2", "Content-Length: 0", "Content-Length: 70", "Content-Length: 2, 2", "content-length:2", "Content-Length: -1",
			"Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: identity", "Connection: close", "Connection: keep-alive", "Connection: Content-Length",
			"Keep-Alive: timeout=9", "Trailer: Content-Length", "Content-Range: bytes 0-1/9", "X: a\r\n b", "X: a\rb", "X", "Upgrade: x\r\nConnection: upgrade", "Content-Encoding: gzip", "Set-Cookie: "+strings.Repeat("x", 9000)))
		out.WriteString(pick("\r\n", "\r\n", "\n"))
	}
	out.WriteString("\r\n")
	for range random.IntN(4) {
		out.WriteString(pick("ok", "2\r\nok\r\n", "0\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n", "2;x\r\nok\r\n", "\r\n", "\x00", "%S", "%S", "%S"))
	}
	return out.String()
}

// breaking answers /x?number with the number, and /broken?n with a broken answer.
func breaking(conn net.Conn) {
	reader := bufio.NewReader(conn)
	for {
		head, err := readHead(reader)
		if err != nil {
			return
		}
		line, _, _ := strings.Cut(head, "\r\n")
		_, target, _ := strings.Cut(line, " ")
		target, _, _ = strings.Cut(target, " ")
		path, query, _ := strings.Cut(target, "?")
		answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/x-number\r\nContent-Length: %d\r\n\r\n%s", len(query), query)
		if strings.HasPrefix(line, "HEAD ") { // with the body that it must not have
			answer += stray
		}
		if strings.HasSuffix(path, "/broken") {
			n, _ := strconv.Atoi(query)
			answer = strings.ReplaceAll(brokenAnswer(n), "%S", stray)
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// TestABrokenAnswerIsNobodyElses has visitors who make an upstream answer brokenly, and
// others at the same time: each of these gets its own answer, or none.
func TestABrokenAnswerIsNobodyElses(t *testing.T) {
	address := testkit.Listen(t, breaking)
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": address, "CONVEX_UPSTREAM": address, "ASSETS_CACHE": "0"})
	const seed = 1
	var workers sync.WaitGroup
	var mu sync.Mutex
	good, bad := 0, 0
	for worker := range uint64(8) {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(seed, worker))
			transport := p.newClient().Transport.(*http.Transport)
			transport.ForceAttemptHTTP2 = worker%2 == 0
			for i := range 400 {
				number := strconv.Itoa(int(worker)*1000 + i)
				method, target, patience := http.MethodGet, "/x?"+number, time.Minute
				switch r.IntN(5) {
				case 0:
					patience = time.Second / 10 // some promise more than they send
					target = "/broken?" + strconv.Itoa(r.IntN([]int{len(brokenAnswers), 1000}[i%2]))
				case 1:
					method = http.MethodHead
				case 2:
					method = http.MethodPost
				}
				if r.IntN(2) == 0 {
					target = "/api/storage" + target
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				request, _ := http.NewRequestWithContext(ctx, method, p.base()+target, http.NoBody)
				response, err := transport.RoundTrip(request)
				if err != nil {
					cancel()
					continue // broken off, as the answer was
				}
				body, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				cancel()
				mu.Lock()
				switch {
				case strings.Contains(target, "/broken"):
					bad++
				case response.StatusCode == http.StatusOK && method != http.MethodHead && string(body) != number, method == http.MethodHead && response.Header.Get("Content-Length") == "5":
					t.Errorf("%s %s: %d %v %q", method, target, response.StatusCode, response.Header, body)
				case response.StatusCode == http.StatusOK:
					good++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	t.Logf("%d good answers, %d broken ones", good, bad)
	if good < 800 || bad < 100 {
		t.Error("that says little")
	}
}
