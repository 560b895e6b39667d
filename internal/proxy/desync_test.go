package proxy

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

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
			answer = strings.ReplaceAll(brokenAnswers[n], "%S", stray)
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
	p := start(t, config.Environ{"TLS_MODE": "external", "PLATFORM_UPSTREAM": address, "CONVEX_UPSTREAM": address, "ASSETS_CACHE": "0"})
	const seed = 1
	var workers sync.WaitGroup
	var mu sync.Mutex
	good, bad := 0, 0
	for worker := range uint64(8) {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(seed, worker))
			for i := range 400 {
				number := strconv.Itoa(int(worker)*1000 + i)
				method, target := http.MethodGet, "/x?"+number
				switch r.IntN(4) {
				case 0:
					target = "/broken?" + strconv.Itoa(r.IntN(len(brokenAnswers)))
				case 1:
					method = http.MethodHead
				}
				if r.IntN(2) == 0 {
					target = "/api/storage" + target
				}
				request, _ := http.NewRequestWithContext(t.Context(), method, p.base()+target, http.NoBody)
				response, err := p.client.Transport.RoundTrip(request)
				if err != nil {
					continue // broken off, as the answer was
				}
				body, _ := io.ReadAll(response.Body)
				_ = response.Body.Close()
				mu.Lock()
				switch {
				case strings.Contains(target, "/broken"):
					bad++
				case response.StatusCode == http.StatusOK && method == http.MethodGet && string(body) != number, method == http.MethodHead && response.Header.Get("Content-Length") == "5":
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
