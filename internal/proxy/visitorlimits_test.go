package proxy

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tale-project/tale-runtime/internal/config"
)

// startImpatient runs a proxy that takes a body for slow in no time.
func startImpatient(t *testing.T, overrides config.Environ) *running {
	t.Helper()
	return startEdited(t, overrides, func(cfg *caddy.Config) {
		text := string(cfg.AppsRaw["tale_limits"])
		cfg.AppsRaw["tale_limits"] = []byte(strings.Replace(text, "{", fmt.Sprintf(`{"slow_after":%d,"grace":%d,`, 20*time.Millisecond, 20*time.Millisecond), 1))
	})
}

// drip returns a body of which a byte has come, and the rest does when it is let go.
func drip(t *testing.T) (body io.Reader, finish func()) {
	t.Helper()
	rest, more := io.Pipe()
	t.Cleanup(func() { _ = more.Close() })
	return io.MultiReader(strings.NewReader("x"), rest), func() { _ = more.Close() }
}

func TestSlowBodiesAreEnded(t *testing.T) {
	p := startImpatient(t, config.Environ{"HTTP3": "on"})
	overHTTP2 := p.newClient()
	overHTTP2.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	for protocol, send := range map[string]func(*http.Request) (*http.Response, error){
		"HTTP/1.1": p.client.Do, "HTTP/2.0": overHTTP2.Do, "HTTP/3.0": p.overHTTP3(siteName).RoundTrip,
	} {
		body, _ := drip(t)
		request, err := http.NewRequestWithContext(t.Context(), "POST", p.base()+"/", body)
		if err != nil {
			t.Fatal(err)
		}
		response, err := send(request)
		if err != nil {
			t.Errorf("%s: %v", protocol, err)
			continue
		}
		if got := text(t, response); response.StatusCode != http.StatusRequestTimeout || response.Proto != protocol || got != "408 Request Timeout\n" {
			t.Errorf("%s: %s over %s: %s", protocol, response.Status, response.Proto, got)
		}
		if response.Close != (protocol == "HTTP/1.1") {
			t.Errorf("%s: the connection is closed: %v", protocol, response.Close)
		}
	}
}

func TestSlowBodiesOfOneVisitorAreLimited(t *testing.T) {
	p := startImpatient(t, config.Environ{"VISITOR_UPLOADS": "2", "VISITOR_BODY_RATE": "0"})
	statuses := make(chan int)
	var finish []func()
	for range 3 {
		body, done := drip(t)
		finish = append(finish, done)
		go func() {
			request, _ := http.NewRequestWithContext(t.Context(), "POST", p.base()+"/", body)
			response, err := p.client.Do(request)
			if err != nil {
				statuses <- 0
				return
			}
			_ = response.Body.Close()
			if response.StatusCode == http.StatusTooManyRequests && response.Header.Get("Retry-After") == "" {
				t.Error("the answer does not say when to come back")
			}
			statuses <- response.StatusCode
		}()
	}
	if status := <-statuses; status != http.StatusTooManyRequests {
		t.Errorf("the first answer of three is %d", status)
	}
	for _, done := range finish {
		done()
	}
	for range 2 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("the others are answered %d", status)
		}
	}
}

func TestSocketsBehindATerminatorAreCountedByTheVisitor(t *testing.T) {
	p := start(t, config.Environ{"TLS_MODE": "external", "VISITOR_CONNECTIONS": "2"})
	open := func(visitor string) (status int, end func() error) {
		conn := p.dial(nil)
		_, _ = fmt.Fprintf(conn, "GET /api/1.2.3/sync HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Forwarded-For: %s\r\n%s\r\n", visitor, handshake)
		response := readResponse(t, conn)
		return response.StatusCode, conn.Close
	}
	first, end := open("203.0.113.9")
	second, _ := open("203.0.113.9")
	third, _ := open("203.0.113.9")
	other, _ := open("203.0.113.10")
	if first != 101 || second != 101 || third != http.StatusTooManyRequests || other != 101 {
		t.Errorf("of one visitor with room for two: %d, %d, %d; of another: %d", first, second, third, other)
	}
	_ = end()
	for deadline := time.Now().Add(10 * time.Second); ; {
		status, _ := open("203.0.113.9")
		if status == 101 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a socket that has ended is still counted: %d", status)
		}
	}
}

// stalled is a connection of HTTP/2 whose visitor takes the headers of answers and
// no bodies, until it is let.
type stalled struct {
	t      *testing.T
	framer *http2.Framer
	next   uint32
}

func (p *running) stall() *stalled {
	p.Helper()
	conn := p.dial(&tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{"h2"}})
	_, _ = io.WriteString(conn, http2.ClientPreface)
	s := &stalled{p.T, http2.NewFramer(conn, conn), 1}
	s.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = s.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	return s
}

// get returns the status of the answer.
func (s *stalled) get() (status string) {
	s.t.Helper()
	head := append([]byte{0x82, 0x87, 0x84, 0x41, byte(len(siteName))}, siteName...) // GET / over https
	_ = s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: s.next, BlockFragment: head, EndStream: true, EndHeaders: true})
	s.next += 2
	for {
		frame, err := s.framer.ReadFrame()
		if err != nil {
			s.t.Fatal(err)
		}
		if headers, ok := frame.(*http2.MetaHeadersFrame); ok {
			return headers.PseudoValue("status")
		}
	}
}

// One connection of HTTP/2 has hundreds of requests, each with a connection to an
// upstream: also when the application has answered and only the visitor has not.
func TestRequestsUnderWayOfOneVisitorAreLimited(t *testing.T) {
	platform := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 64<<10)) }))
	p := start(t, config.Environ{"VISITOR_CONNECTIONS": "3", "PLATFORM_UPSTREAM": platform})
	s := p.stall()
	for i, want := range []string{"200", "200", "200", "429", "429"} {
		if got := s.get(); got != want {
			t.Errorf("request %d of one visitor with room for three: %s, want %s", i+1, got, want)
		}
	}
	_ = s.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	_ = s.framer.WriteWindowUpdate(0, 1<<28)
	for deadline := time.Now().Add(10 * time.Second); s.get() != "200"; {
		if time.Now().After(deadline) {
			t.Fatal("requests that have ended are still counted")
		}
	}
}

// floods are frames that make work and bring nothing, each the second and
// following of its kind on a connection.
var floods = map[string]func(f *http2.Framer) error{
	"CONTINUATION":  func(f *http2.Framer) error { return f.WriteContinuation(1, false, nil) },
	"empty DATA":    func(f *http2.Framer) error { return f.WriteData(1, false, nil) },
	"PRIORITY":      func(f *http2.Framer) error { return f.WritePriority(3, http2.PriorityParam{Weight: 1}) },
	"PING":          func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) },
	"PING ACK":      func(f *http2.Framer) error { return f.WritePing(true, [8]byte{}) },
	"SETTINGS":      func(f *http2.Framer) error { return f.WriteSettings() },
	"WINDOW_UPDATE": func(f *http2.Framer) error { return f.WriteWindowUpdate(0, 1) },
	"unknown":       func(f *http2.Framer) error { return f.WriteRawFrame(0xbb, 0, 0, nil) },
}

func TestFramesThatBringNothingEndTheConnection(t *testing.T) {
	p := start(t, nil)
	for name, write := range floods {
		t.Run(name, func(t *testing.T) {
			conn := p.dial(&tls.Config{RootCAs: p.roots, ServerName: siteName, NextProtos: []string{"h2"}})
			ended := make(chan error, 1)
			go func() { ended <- untilGoAway(conn) }()
			out := bufio.NewWriter(conn)
			_, _ = io.WriteString(out, http2.ClientPreface)
			framer := http2.NewFramer(out, nil)
			_ = framer.WriteSettings()
			headers := []byte{0x83, 0x87, 0x84, 0x41, byte(len(siteName))} // POST / over https
			headers = append(headers, siteName...)
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers, EndHeaders: name != "CONTINUATION"})
			for range 20_000 { // five times what a connection may save
				if err := write(framer); err != nil {
					break
				}
			}
			_ = out.Flush() // breaks where the proxy has hung up
			if err := <-ended; err != http2.ConnectionError(http2.ErrCodeEnhanceYourCalm) {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
	if status := p.get("/", nil).StatusCode; status != http.StatusOK {
		t.Errorf("others are answered %d", status)
	}
}

// untilGoAway reads what a server says until it says why it ends the connection.
func untilGoAway(conn io.Reader) error {
	framer := http2.NewFramer(nil, bufio.NewReader(conn))
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return errors.Join(errors.New("no reason"), err)
		}
		if goAway, ok := frame.(*http2.GoAwayFrame); ok {
			return http2.ConnectionError(goAway.ErrCode)
		}
	}
}
