package maintenance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
)

const (
	chrome  = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	jsonAPI = "application/json"
)

// runFailing starts a real Caddy whose every request ends in the error, with the
// handler in its error routes.
func runFailing(t *testing.T, status int, h Handler) string {
	t.Helper()
	failure := caddyhttp.StaticError{StatusCode: caddyhttp.WeakString(strconv.Itoa(status))}
	return "http://" + caddytest.Run(t, &caddyhttp.Server{
		Routes: caddyhttp.RouteList{caddytest.Handle(
			caddytest.Handler("vars", caddyhttp.VarsMiddleware{exchange.IDVar: `a"b<c>`}),
			caddytest.Handler("error", failure),
		)},
		Errors: &caddyhttp.HTTPErrorConfig{Routes: caddyhttp.RouteList{caddytest.Handle(caddytest.Handler("tale_maintenance", h))}},
	})
}

type answer struct {
	*http.Response
	body string
}

func ask(t *testing.T, method, url string, header map[string]string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(body)}
}

func TestWhoGetsWhat(t *testing.T) {
	url := runFailing(t, http.StatusServiceUnavailable, Handler{})
	const page, document = "text/html; charset=utf-8", "application/json"
	tests := []struct {
		name   string
		method string
		header map[string]string
		want   string
	}{
		{"browser", "GET", map[string]string{"Accept": chrome, "Sec-Fetch-Mode": "navigate"}, page},
		{"old browser", "GET", map[string]string{"Accept": chrome}, page},
		{"form", "POST", map[string]string{"Accept": chrome, "Sec-Fetch-Mode": "navigate"}, page},
		{"fetch", "GET", map[string]string{"Accept": "*/*", "Sec-Fetch-Mode": "cors"}, document},
		{"fetch of HTML", "GET", map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "same-origin"}, document},
		{"script", "GET", map[string]string{"Accept": "*/*", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}, document},
		{"API client", "GET", map[string]string{"Accept": jsonAPI}, document},
		{"JSON before HTML", "GET", map[string]string{"Accept": "application/json, text/html;q=0.5"}, document},
		{"HTML refused", "GET", map[string]string{"Accept": "text/html;q=0, */*"}, document},
		{"curl", "GET", map[string]string{"Accept": "*/*"}, document},
		{"nothing said", "GET", nil, document},
		{"API client that sends", "PUT", map[string]string{"Accept": jsonAPI}, document},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, tt.method, url, tt.header)
			if kind := got.Header.Get("Content-Type"); kind != tt.want {
				t.Errorf("got %s", kind)
			}
			if got.StatusCode != http.StatusServiceUnavailable || got.body == "" {
				t.Errorf("status %d with %d bytes", got.StatusCode, len(got.body))
			}
			for name, want := range map[string]string{
				"Retry-After": "5", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				"X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "strict-origin-when-cross-origin", "Server": "",
			} {
				if got := got.Header.Get(name); got != want {
					t.Errorf("%s is %q", name, got)
				}
			}
		})
	}
}

func TestProgramsGetJSON(t *testing.T) {
	for status, hint := range map[int]string{
		http.StatusServiceUnavailable: "restarting",
		http.StatusBadGateway:         "may have been carried out",
		http.StatusGatewayTimeout:     "may have been carried out",
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			url := runFailing(t, status, Handler{RetryAfter: caddy.Duration(30 * time.Second)})
			got := ask(t, "POST", url, map[string]string{"Accept": jsonAPI})
			var document struct{ Code, Message string }
			if err := json.Unmarshal([]byte(got.body), &document); err != nil {
				t.Fatal(err)
			}
			if got.StatusCode != status || document.Code != "ServiceUnavailable" {
				t.Errorf("status %d, code %q", got.StatusCode, document.Code)
			}
			if !strings.Contains(document.Message, hint) || !strings.Contains(document.Message, "30 seconds") {
				t.Errorf("message is %q", document.Message)
			}
			if got.Header.Get("Retry-After") != "30" {
				t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
			}
		})
	}
}

func TestRequestThatReachedNobodyIsNotSaidToBeCarriedOut(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := listener.Addr().String()
	_ = listener.Close()
	got := ask(t, "POST", runProxy(t, dead), map[string]string{"Accept": jsonAPI})
	if got.StatusCode != http.StatusBadGateway || strings.Contains(got.body, "carried out") {
		t.Errorf("status %d: %s", got.StatusCode, got.body)
	}
}

func TestHeadHasNoBody(t *testing.T) {
	url := runFailing(t, http.StatusServiceUnavailable, Handler{})
	head := ask(t, "HEAD", url, map[string]string{"Accept": chrome})
	if head.body != "" || head.ContentLength <= 0 || head.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d bytes, length %d", len(head.body), head.ContentLength)
	}
	// Go's server would drop a body, with an error that is logged.
	written := httptest.NewRecorder()
	write(written, httptest.NewRequest(http.MethodHead, "/", nil), http.StatusServiceUnavailable, "text/html", "page")
	if written.Body.Len() != 0 {
		t.Errorf("wrote %q", written.Body)
	}
}

// A WebSocket client reads the status line and nothing else; bytes of a page
// would be taken for frames by a careless one.
func TestSocketGetsTheBareStatus(t *testing.T) {
	url := runFailing(t, http.StatusServiceUnavailable, Handler{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/1.0/sync HTTP/1.1\r\nHost: x\r\nAccept: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n", chrome)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusServiceUnavailable || len(body) != 0 || res.Header.Get("Content-Type") != "" {
		t.Errorf("status %d, %d bytes of %q", res.StatusCode, len(body), res.Header.Get("Content-Type"))
	}
}

func TestOtherErrorsAreNotOurs(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusInternalServerError, http.StatusMethodNotAllowed} {
		got := ask(t, "GET", runFailing(t, status, Handler{}), map[string]string{"Accept": chrome})
		if got.StatusCode != status || got.body != "" || got.Header.Get("Retry-After") != "" {
			t.Errorf("%d: got %d with %q", status, got.StatusCode, got.body)
		}
	}
}

var inline = regexp.MustCompile(`(?s)<(style|script)>(.*?)</(?:style|script)>`)

func TestPolicyAllowsExactlyThePage(t *testing.T) {
	got := ask(t, "GET", runFailing(t, http.StatusServiceUnavailable, Handler{Name: "A & B"}), map[string]string{"Accept": chrome})
	policy := got.Header.Get("Content-Security-Policy")
	found := inline.FindAllStringSubmatch(got.body, -1)
	if len(found) != 2 {
		t.Fatalf("%d inline elements", len(found))
	}
	for _, element := range found {
		if want := element[1] + "-src '" + sourceHash(element[2]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the %s does not fit the policy %s", element[1], policy)
		}
	}
	for _, unwanted := range []string{"unsafe-inline", "http:", "https:"} {
		if strings.Contains(policy, unwanted) {
			t.Errorf("the policy has %s", unwanted)
		}
	}
	outside := inline.ReplaceAllString(got.body, "")
	for _, unwanted := range []string{"{{", "style=", "onclick=", "src=", "http://", "https://", "A & B"} {
		if strings.Contains(outside, unwanted) {
			t.Errorf("the page has %s", unwanted)
		}
	}
}

func TestPageIsOfItsRequest(t *testing.T) {
	url := runFailing(t, http.StatusGatewayTimeout, Handler{Name: "Tale", BasePath: "/tale"})
	got := ask(t, "GET", url+`//evil.test/a?q="><script>alert(1)</script>`, map[string]string{"Accept": chrome})
	for _, want := range []string{
		"Tale is restarting", "Error 504", `<code>a&#34;b&lt;c&gt;</code>`,
		`href="/evil.test/a?q=`, `<noscript><meta http-equiv="refresh"`, `data-method="GET"`,
	} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(got.body, "<script>alert") {
		t.Error("the query is markup")
	}
}

// Asking for a page again that a form was sent to sends the form again.
func TestPageAfterAFormDoesNotReload(t *testing.T) {
	url := runFailing(t, http.StatusServiceUnavailable, Handler{BasePath: "/tale"})
	got := ask(t, "POST", url+"/tale/sign-in", map[string]string{"Accept": chrome})
	for _, want := range []string{`data-method="POST"`, "send it again", `href="/tale/"`} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(got.body, "http-equiv") {
		t.Error("the page refreshes itself")
	}
}

func TestPageIsSmall(t *testing.T) {
	got := ask(t, "GET", runFailing(t, http.StatusServiceUnavailable, Handler{}), map[string]string{"Accept": chrome})
	if len(got.body) > 8<<10 {
		t.Errorf("%d bytes", len(got.body))
	}
}

func runProxy(t *testing.T, upstream string) string {
	t.Helper()
	return "http://" + caddytest.Run(t, &caddyhttp.Server{
		Routes: caddyhttp.RouteList{caddytest.Handle(caddytest.Handler("reverse_proxy", reverseproxy.Handler{
			Upstreams: reverseproxy.UpstreamPool{{Dial: upstream}},
		}))},
		Errors: &caddyhttp.HTTPErrorConfig{Routes: caddyhttp.RouteList{caddytest.Handle(caddytest.Handler("tale_maintenance", Handler{}))}},
	})
}

func TestWhatTheUpstreamSaysPassesThrough(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Reason", "migration")
		w.WriteHeader(map[string]int{"/502": 502, "/503": 503, "/504": 504}[r.URL.Path])
		_, _ = io.WriteString(w, "the application's own words")
	}))
	defer upstream.Close()
	url := runProxy(t, upstream.Listener.Addr().String())
	for _, status := range []int{502, 503, 504} {
		got := ask(t, "GET", fmt.Sprintf("%s/%d", url, status), map[string]string{"Accept": chrome})
		if got.StatusCode != status || got.body != "the application's own words" || got.Header.Get("X-Reason") != "migration" || got.Header.Get("Retry-After") != "" {
			t.Errorf("got %d %q %v", got.StatusCode, got.body, got.Header)
		}
	}
}

// goneWriter is the connection of a client that has left.
type goneWriter struct{ *httptest.ResponseRecorder }

func (goneWriter) Write([]byte) (int, error) { return 0, net.ErrClosed }

// Caddy would log an error here as one in handling an error, with the whole
// request.
func TestAClientThatHasLeftIsNoError(t *testing.T) {
	h := &Handler{}
	if err := h.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{})
	ctx = context.WithValue(ctx, caddyhttp.ErrorCtxKey, caddyhttp.Error(http.StatusServiceUnavailable, nil))
	w := goneWriter{httptest.NewRecorder()}
	if err := h.ServeHTTP(w, r.WithContext(ctx), nil); err != nil || w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d, %v", w.Code, err)
	}
}
