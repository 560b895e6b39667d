package proxy

import (
	"bufio"
	"bytes"
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

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http2"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// byHand starts an upstream of which each connection is served by a function, from
// the head of its first request on. Probes are answered for it.
func byHand(t *testing.T, serve func(conn net.Conn, reader *bufio.Reader, head string)) (address string) {
	t.Helper()
	return testkit.Listen(t, func(conn net.Conn) {
		reader := bufio.NewReader(conn)
		head, err := readHead(reader)
		if err != nil {
			return
		}
		if strings.HasPrefix(head, "GET /api/health ") {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			return
		}
		serve(conn, reader, head)
	})
}

// visit sends an upload over a protocol and returns the answer, which is read.
func (p *running) visit(protocol, target string, body io.Reader, length int64) *http.Response {
	p.Helper()
	var via http.RoundTripper
	switch protocol {
	case "HTTP/1.1": // a client that writes and reads at once, as net/http's does not
		conn := p.dial(nil)
		go func() {
			_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", target, siteName, length)
			_, _ = io.Copy(conn, body)
		}()
		return p.read(readResponse(p.T, conn))
	case "HTTP/2.0":
		transport := p.newClient().Transport.(*http.Transport)
		transport.ForceAttemptHTTP2 = true
		via = transport
	case "HTTP/3.0":
		via = p.overHTTP3(siteName)
	}
	request, err := http.NewRequestWithContext(p.Context(), http.MethodPost, "https://"+siteName+target, body)
	if err != nil {
		p.Fatal(err)
	}
	request.ContentLength = length
	response, err := via.RoundTrip(request)
	if err != nil {
		p.Fatalf("%s over %s: %v", target, protocol, err)
	}
	return p.read(response)
}

func (p *running) read(response *http.Response) *http.Response {
	p.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.Fatalf("the answer broke off: %v", err)
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response
}

var visitorsProtocols = []string{"HTTP/1.1", "HTTP/2.0", "HTTP/3.0"}

func TestEarlyAnswersReachTheVisitor(t *testing.T) {
	const said = "too big"
	address := byHand(t, func(conn net.Conn, _ *bufio.Reader, head string) {
		status := "413 Too Large"
		if strings.Contains(head, "/private ") {
			status = "401 Unauthorized"
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nConnection: close\r\n\r\n"+said)
	})
	for _, base := range []string{"", "/tale"} {
		t.Run("base path "+base, func(t *testing.T) {
			p := start(t, config.Environ{"PLATFORM_UPSTREAM": address, "BASE_PATH": base, "HTTP3": "on"})
			for i := range 90 {
				protocol, target, want := visitorsProtocols[i%3], "/upload", http.StatusRequestEntityTooLarge
				if i%2 == 0 {
					target, want = "/private", http.StatusUnauthorized
				}
				response := p.visit(protocol, base+target, zeros(3_000_000), 3_000_000)
				if got := text(t, response); response.StatusCode != want || got != said || response.Proto != protocol {
					t.Fatalf("%s: %s %d %q", target, response.Proto, response.StatusCode, got)
				}
			}
		})
	}
}

// An application that does not look at bodies must not cost its visitors their
// connections.
func TestAnAnswerBesideASmallBodyKeepsTheConnection(t *testing.T) {
	p := start(t, config.Environ{"TLS_MODE": "external", "PLATFORM_UPSTREAM": byHand(t, func(conn net.Conn, reader *bufio.Reader, _ string) {
		for err := error(nil); err == nil; {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			_, _ = reader.Discard(4)
			_, err = readHead(reader)
		}
	})})
	conn := p.dial(nil)
	for range 50 {
		_, _ = io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: site.test\r\nContent-Length: 4\r\n\r\nbody")
		if response := readResponse(t, conn); response.StatusCode != 200 || response.Close {
			t.Fatalf("%d, close %v", response.StatusCode, response.Close)
		}
	}
}

func TestTheUpstreamIsAskedWhetherItWantsTheBody(t *testing.T) {
	address := byHand(t, func(conn net.Conn, reader *bufio.Reader, head string) {
		switch {
		case strings.Contains(head, "/refuses "):
			_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, reader)
			return
		case !strings.Contains(head, "Expect: 100-continue\r\n"):
			_, _ = io.WriteString(conn, "HTTP/1.1 500 Not Asked\r\nContent-Length: 0\r\n\r\n")
			return
		case strings.Contains(head, "/wants "):
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\n")
		case strings.Contains(head, "/insists "):
			_, _ = io.WriteString(conn, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
		case strings.Contains(head, "/hints "):
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
		}
		got := make([]byte, 4)
		_, _ = io.ReadFull(reader, got)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", got)
	})
	for _, mode := range []string{"external", "selfsigned"} {
		t.Run(mode, func(t *testing.T) {
			p := start(t, config.Environ{"TLS_MODE": mode, "PLATFORM_UPSTREAM": address})
			for target, want := range map[string]string{
				"/wants": "100 200", "/ignores": "100 200", "/insists": "100 200", "/hints": "103 100 200", "/refuses": "401",
			} {
				if got := p.expect(target); got != want {
					t.Errorf("%s: %s, want %s", target, got, want)
				}
			}
		})
	}
}

// expect sends a request that waits to be asked for its body, and returns the
// statuses of all answers.
func (p *running) expect(target string) string {
	p.Helper()
	conn := p.dial(nil)
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", target, siteName)
	reader := bufio.NewReader(conn)
	for seen := ""; ; seen += " " {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			p.Fatalf("%s: %v", target, err)
		}
		if server := response.Header.Get("Server"); server != "" {
			p.Errorf("%s: %d tells the server: %s", target, response.StatusCode, server)
		}
		seen += strconv.Itoa(response.StatusCode)
		switch body := text(p.T, response); {
		case response.StatusCode == http.StatusContinue:
			_, _ = io.WriteString(conn, "body")
		case response.StatusCode == http.StatusOK && body != "body":
			p.Errorf("%s: the upstream got %q", target, body)
			return seen
		case response.StatusCode >= http.StatusOK:
			return seen
		}
	}
}

func TestAnUpstreamThatSwitchesUnaskedHasNotAnswered(t *testing.T) {
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": byHand(t, func(conn net.Conn, reader *bufio.Reader, _ string) {
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nx")
		_, _ = io.Copy(io.Discard, reader)
	})})
	if got := p.get("/", nil).StatusCode; got != http.StatusBadGateway {
		t.Errorf("status %d", got)
	}
}

// malformed returns a chunked body that no two servers need to read the same way. Some
// good chunks come before.
func malformed(random *rand.Rand) string {
	size := func(n int) string { return strconv.FormatInt(int64(n), 16) }
	noise := func(from string, n int) string {
		var out strings.Builder
		for range n {
			out.WriteByte(from[random.IntN(len(from))])
		}
		return out.String()
	}
	var out strings.Builder
	for range random.IntN(4) {
		n := 1 + random.IntN(9000)
		fmt.Fprintf(&out, "%s\r\n%s\r\n", size(n), strings.Repeat("x", n))
	}
	n := 1 + random.IntN(40)
	data := strings.Repeat("x", n)
	bad := []string{
		noise("ghxyzG-+_=", 1+random.IntN(4)) + size(n) + "\r\n" + data + "\r\n", // no size
		size(n) + noise("ghxyzG-+_=", 1+random.IntN(4)) + "\r\n" + data + "\r\n", // neither
		"\r\n" + data + "\r\n", // an empty size
		strings.Repeat("f", 17+random.IntN(9)) + "\r\n" + data + "\r\n",    // an overflow
		size(n) + "\r\n" + data + noise("0123456789abcdefg", 2) + "\r\n",   // too much data
		size(n) + "\r\n" + data + noise("\n x", 1) + "\r\n",                // no end
		size(n) + "\n" + data + "\r\n",                                     // a bare line feed
		size(n) + ";" + strings.Repeat("e", 5000) + "\r\n" + data + "\r\n", // a long extension
		"0\r\n" + noise("abc", 5) + "\r\n\r\n",                             // a trailer without a colon
		"0\r\nA: " + strings.Repeat("t", 70<<10) + "\r\n\r\n",              // a long trailer
		strings.Repeat("1;"+strings.Repeat("e", 3000)+"\r\nx\r\n", 20),     // many extensions
	}
	out.WriteString(bad[random.IntN(len(bad))])
	return out.String() + "0\r\n\r\n"
}

func TestAMalformedBodyIsTheVisitorsFault(t *testing.T) {
	strict, address := startStrict(t)
	for _, mode := range []string{"external", "selfsigned"} {
		t.Run(mode, func(t *testing.T) {
			malformedBodies(start(t, config.Environ{"TLS_MODE": mode, "PLATFORM_UPSTREAM": address}))
		})
	}
	heads, _ := strict.take()
	for _, head := range heads {
		t.Errorf("a whole request arrived: %s", head)
	}
}

func malformedBodies(p *running) {
	var visits sync.WaitGroup
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		body, method, conn := malformed(random), []string{"POST", "GET"}[i%2], p.dial(nil)
		visits.Go(func() {
			go func() {
				_, _ = fmt.Fprintf(conn, "%s /first HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n%sGET /second HTTP/1.1\r\nHost: %s\r\n\r\n", method, siteName, body, siteName)
			}()
			answers, _ := io.ReadAll(conn) // until the proxy hangs up
			if got := string(answers); !strings.HasPrefix(got, "HTTP/1.1 400 ") || strings.Count(got, "HTTP/1.1 ") != 1 || !strings.Contains(got, "\r\nConnection: close\r\n") {
				p.Errorf("%s %.60q…%q: %q", method, body, body[max(0, len(body)-60):], got)
			}
		})
	}
	visits.Wait()
	p.blamesNoUpstream()
}

// blamesNoUpstream looks at the metrics after requests that were all the visitors' fault.
func (p *running) blamesNoUpstream() {
	p.Helper()
	for line := range strings.Lines(text(p.T, p.onHealthPort("/metrics"))) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		blamed := strings.HasPrefix(name, "tale_proxy_request_duration_seconds_count") && !strings.Contains(name, `upstream="none"`) ||
			strings.HasPrefix(name, "tale_proxy_upstream_retries_total")
		if blamed && value != "0" {
			p.Errorf("an upstream is blamed: %s", line)
		}
	}
}

// Over HTTP/2 a body that is shorter than announced has an end, too.
func TestAShortBodyOverHTTP2IsTheVisitorsFault(t *testing.T) {
	p := start(t, nil)
	framer := p.openStream([]field{{":method", "POST"}, {":scheme", "https"}, {":authority", siteName}, {":path", "/x"}, {"content-length", "10"}}, false)
	_ = framer.WriteData(1, false, []byte("body"))
	_ = framer.WriteData(1, true, nil)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if reset, is := frame.(*http2.RSTStreamFrame); is {
			t.Logf("reset: %v", reset.ErrCode)
			break
		}
		if fields, is := frame.(*http2.MetaHeadersFrame); is {
			if got := fields.PseudoValue("status"); got != "400" {
				t.Errorf("status %s", got)
			}
			break
		}
	}
	p.blamesNoUpstream()
}

func TestAPausedBodyIsTheVisitorsFault(t *testing.T) {
	const limit = 200 * time.Millisecond
	p := startEdited(t, config.Environ{"HTTP3": "on"}, func(cfg *caddy.Config) {
		replaceInHTTP(t, cfg, `"read_header_timeout"`, `"read_idle_timeout":`+strconv.Itoa(int(limit))+`,"read_header_timeout"`)
	})
	for _, protocol := range visitorsProtocols {
		body, more := io.Pipe()
		t.Cleanup(func() { _ = more.Close() })
		go func() { _, _ = io.WriteString(more, "the beginning") }()
		response := p.visit(protocol, "/upload", body, 1000)
		if response.StatusCode != http.StatusRequestTimeout || response.Proto != protocol {
			t.Errorf("%s: %d", response.Proto, response.StatusCode)
		}
		if wants := response.ProtoMajor == 1; response.Close != wants {
			t.Errorf("%s: close %v", response.Proto, response.Close)
		}
	}
	p.blamesNoUpstream()
}

func TestConditionalRequestsThroughCompression(t *testing.T) {
	p := start(t, config.Environ{"PLATFORM_UPSTREAM": serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const tag = `"v1"`
		w.Header().Set("Etag", tag)
		switch {
		case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != tag:
			w.WriteHeader(http.StatusPreconditionFailed)
		case r.Method == http.MethodPut:
			w.WriteHeader(http.StatusNoContent)
		case r.Header.Get("If-None-Match") == tag:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, strings.Repeat("x ", 4000))
		}
	}))})
	for _, encoding := range []string{"gzip", "zstd"} {
		response := p.get("/", http.Header{"Accept-Encoding": {encoding}})
		tag := response.Header.Get("Etag")
		if tag != `"v1-`+encoding+`"` {
			t.Fatalf("%s: tag %s", encoding, tag)
		}
		for _, accepts := range []string{"gzip", "zstd", "identity"} {
			response = p.get("/", http.Header{"Accept-Encoding": {accepts}, "If-None-Match": {tag}})
			if got := response.Header.Get("Etag"); response.StatusCode != http.StatusNotModified || got != tag {
				t.Errorf("%s, then %s: %d with %s", encoding, accepts, response.StatusCode, got)
			}
		}
		if got := p.send(http.MethodPut, "/", http.Header{"If-Match": {tag}}, strings.NewReader("x")).StatusCode; got != http.StatusNoContent {
			t.Errorf("%s: PUT %d", encoding, got)
		}
		if got := p.send(http.MethodPut, "/", http.Header{"If-Match": {`"v0-` + encoding + `"`}}, strings.NewReader("x")).StatusCode; got != http.StatusPreconditionFailed {
			t.Errorf("%s: PUT of another version %d", encoding, got)
		}
	}
}
