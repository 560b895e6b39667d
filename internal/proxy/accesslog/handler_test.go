package accesslog

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"
	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/coder/websocket"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// book collects the lines of one test.
type book struct{ testkit.Buffer }

// lines waits for n lines and returns them parsed.
func (b *book) lines(t *testing.T, n int) []map[string]any {
	t.Helper()
	var texts []string
	testkit.Eventually(t, "the lines are written", func() bool {
		texts = strings.Split(strings.TrimSpace(b.String()), "\n")
		return len(texts) >= n && texts[0] != ""
	})
	if len(texts) != n {
		t.Fatalf("%d lines instead of %d:\n%s", len(texts), n, strings.Join(texts, "\n"))
	}
	all := make([]map[string]any, n)
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &all[i]); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
	return all
}

// runLogged starts Caddy with the log in front of everything, and an upstream
// behind it.
func runLogged(t *testing.T, level slog.Level, upstream string, h Handler) (url string, log *book) {
	t.Helper()
	log = &book{}
	host.Provide(host.Process{Access: logging.Batched(logging.New(log, logging.FormatJSON, level))})
	t.Cleanup(func() { host.Provide(host.Process{}) })
	logged := caddytest.Handle(caddytest.Handler("tale_access_log", h))
	addr := caddytest.Run(t, &caddyhttp.Server{
		Routes: caddyhttp.RouteList{logged, caddytest.Handle(caddytest.Handler("reverse_proxy", reverseproxy.Handler{
			Upstreams: reverseproxy.UpstreamPool{{Dial: upstream}},
		}))},
		Errors: &caddyhttp.HTTPErrorConfig{Routes: caddyhttp.RouteList{logged, caddytest.Handle(
			caddytest.Handler("static_response", caddyhttp.StaticResponse{StatusCode: "{http.error.status_code}", Body: "sorry"}),
		)}},
	})
	return "http://" + addr, log
}

func startUpstream(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func get(t *testing.T, url string, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != nil {
		req.Header = header
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res
}

func expect(t *testing.T, line map[string]any, want map[string]any) {
	t.Helper()
	for name, value := range want {
		if line[name] != value {
			t.Errorf("%s is %v, want %v", name, line[name], value)
		}
	}
}

func TestLineOfARequest(t *testing.T) {
	seen := make(chan *http.Request, 1)
	upstream := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r
		w.Header().Set(exchange.IDHeader, "the upstream's own")
		_, _ = io.WriteString(w, "hello")
	})
	url, log := runLogged(t, slog.LevelInfo, upstream, Handler{})
	res := get(t, url+"/a%20b/c?page=1&token=geheim", nil)
	line := log.lines(t, 1)[0]
	id, _ := line["request_id"].(string)
	if len(id) != 32 || !validID(id) {
		t.Errorf("id %q", id)
	}
	if got := (<-seen).Header[exchange.IDHeader]; len(got) != 1 || got[0] != id {
		t.Errorf("the upstream got id %q", got)
	}
	if got := res.Header[exchange.IDHeader]; len(got) != 1 || got[0] != id {
		t.Errorf("the client got id %q", got)
	}
	expect(t, line, map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "host": strings.TrimPrefix(url, "http://"), "path": "/a%20b/c",
		"query": "page=1&token=REDACTED", "proto": "HTTP/1.1", "status": 200.0, "bytes": 5.0, "upstream": upstream,
		"client_ip": "127.0.0.1", "error": nil,
	})
	if _, there := line["took"]; !there {
		t.Error("no duration")
	}
}

func TestIDOfTheRequestIsKeptIfItIsUsable(t *testing.T) {
	url, log := runLogged(t, slog.LevelInfo, startUpstream(t, func(http.ResponseWriter, *http.Request) {}), Handler{})
	tests := []struct {
		sent []string
		kept bool
	}{
		{[]string{"0af7651916cd43dd8448eb211c80319c"}, true},
		{[]string{"Root=1-67891233-abcdef012345678912345678"}, true},
		{[]string{strings.Repeat("x", maxID)}, true},
		{[]string{strings.Repeat("x", maxID+1)}, false},
		{[]string{"two", "ids"}, false},
		{[]string{`"quoted"`}, false},
		{[]string{"<script>"}, false},
		{[]string{"spa ce"}, false},
		{[]string{""}, false},
	}
	ids := map[string]bool{}
	for _, tt := range tests {
		got := get(t, url, http.Header{exchange.IDHeader: tt.sent}).Header.Get(exchange.IDHeader)
		if kept := got == tt.sent[0]; kept != tt.kept || got == "" || ids[got] {
			t.Errorf("%q: got %q", tt.sent, got)
		}
		ids[got] = true
	}
	log.lines(t, len(tests))
}

func TestErrorOfTheProxyIsOneLine(t *testing.T) {
	url, log := runLogged(t, slog.LevelInfo, "127.0.0.1:1", Handler{})
	res := get(t, url, nil)
	line := log.lines(t, 1)[0]
	expect(t, line, map[string]any{
		"level": "WARN", "status": 502.0, "bytes": 5.0, "upstream": "127.0.0.1:1", "request_id": res.Header.Get(exchange.IDHeader),
		"error": "dial tcp 127.0.0.1:1: connect: connection refused",
	})
}

func TestErrorOfTheApplicationIsAWarning(t *testing.T) {
	url, log := runLogged(t, slog.LevelWarn, startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}), Handler{})
	get(t, url+"/good", nil)
	get(t, url+"/bad", nil)
	expect(t, log.lines(t, 1)[0], map[string]any{"path": "/bad", "status": 500.0, "error": nil})
}

func TestProbesAreNotLogged(t *testing.T) {
	up := startUpstream(t, func(http.ResponseWriter, *http.Request) {})
	url, log := runLogged(t, slog.LevelInfo, up, Handler{Quiet: []string{"/health"}})
	get(t, url+"/health", nil)
	get(t, url+"/healthy", nil)
	expect(t, log.lines(t, 1)[0], map[string]any{"path": "/healthy"})

	url, log = runLogged(t, slog.LevelDebug, up, Handler{Quiet: []string{"/health"}})
	get(t, url+"/health", nil)
	expect(t, log.lines(t, 1)[0], map[string]any{"path": "/health", "level": "DEBUG"})
}

func TestAnswerThatBreaksOffIsLogged(t *testing.T) {
	upstream := startUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	url, log := runLogged(t, slog.LevelInfo, upstream, Handler{})
	res, err := http.Get(url)
	if err == nil {
		_, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err == nil {
		t.Error("the client took it for complete")
	}
	expect(t, log.lines(t, 1)[0], map[string]any{"status": 200.0, "bytes": 4.0, "error": errBroken.Error()})
}

func TestSocketIsLogged(t *testing.T) {
	upstream := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.Close(websocket.StatusNormalClosure, "")
	})
	url, log := runLogged(t, slog.LevelInfo, upstream, Handler{})
	conn, _, err := websocket.Dial(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _, _ = conn.Read(t.Context())
	expect(t, log.lines(t, 1)[0], map[string]any{"status": 101.0, "error": nil})
}

func TestStreamsAreStillFlushed(t *testing.T) {
	release := make(chan struct{})
	upstream := startUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	defer close(release)
	url, _ := runLogged(t, slog.LevelInfo, upstream, Handler{})
	client := &http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got := make([]byte, 9)
	if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "data: 1\n\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestWhatVisitorsSendIsShortened(t *testing.T) {
	url, log := runLogged(t, slog.LevelInfo, startUpstream(t, func(http.ResponseWriter, *http.Request) {}), Handler{})
	request, err := http.NewRequestWithContext(t.Context(), strings.Repeat("M", 3000), url+"/"+strings.Repeat("p", 3000)+"?"+strings.Repeat("q", 3000), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = strings.Repeat("h", 3000)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	line := log.lines(t, 1)[0]
	for _, name := range []string{"method", "host", "path", "query"} {
		if text := line[name].(string); len(text) != maxLogged+3 || !strings.HasSuffix(text, "...") {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
}

func TestAnErrorIsShortened(t *testing.T) {
	url, log := runLogged(t, slog.LevelInfo, testkit.Listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = io.WriteString(conn, strings.Repeat("x", 3000)+"\n")
	}), Handler{})
	get(t, url, nil)
	if text := log.lines(t, 1)[0]["error"].(string); len(text) != maxLogged+3 || !strings.HasSuffix(text, "x...") {
		t.Errorf("the error has %d bytes: %s", len(text), text)
	}
}
