package visitor

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

var privateNetworks = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fd00::/8", "::1/128"}

// ask returns what the handler makes of a request: who asks, whether the peer is
// believed, and X-Forwarded-For.
func ask(t *testing.T, h *Handler, peer string, header http.Header) (address string, trusted bool, chain string) {
	t.Helper()
	var err error
	if h.trusted, err = parseNetworks(h.Trusted); err != nil {
		t.Fatal(err)
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.notices == nil {
		h.notices = new(notices)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr, r.Header = peer, header
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.TrustedProxyVarKey: false, caddyhttp.ClientIPVarKey: ""}))
	next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		address = caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
		trusted = caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
		chain = strings.Join(r.Header[forwardedFor], " | ")
		return nil
	})
	if err := h.ServeHTTP(httptest.NewRecorder(), r, next); err != nil {
		t.Fatal(err)
	}
	return address, trusted, chain
}

func TestVisitor(t *testing.T) {
	oneHop := Handler{Trusted: privateNetworks}
	list := Handler{Trusted: append([]string{"203.0.113.0/24"}, privateNetworks...), Chain: true}
	const direct, proxy, none = "198.51.100.7:1", "10.0.0.9:1", "(none)"
	for _, tt := range []struct {
		handler   Handler
		peer      string
		forwarded string
		want      string
		chain     string
	}{
		{Handler{}, direct, none, "198.51.100.7", ""},
		{Handler{}, "[::ffff:198.51.100.7]:1", none, "198.51.100.7", ""},
		{Handler{}, "[fe80::1%eth0]:1", none, "fe80::1", ""},
		{Handler{}, proxy, "8.8.8.8", "10.0.0.9", "8.8.8.8"},
		{oneHop, direct, "8.8.8.8", "198.51.100.7", "8.8.8.8"},
		{oneHop, proxy, none, "10.0.0.9", ""},
		{oneHop, "[::ffff:10.0.0.9]:1", "8.8.8.8", "8.8.8.8", "8.8.8.8"},
		{oneHop, proxy, "8.8.8.8", "8.8.8.8", "8.8.8.8"},
		{oneHop, proxy, "6.6.6.6, 8.8.8.8", "8.8.8.8", "8.8.8.8"},
		{oneHop, proxy, "::ffff:8.8.8.8", "8.8.8.8", "8.8.8.8"},
		{oneHop, proxy, "8.8.8.8, 192.168.1.5", "192.168.1.5", "192.168.1.5"},
		{list, proxy, "6.6.6.6, 8.8.8.8", "8.8.8.8", "8.8.8.8"},
		{list, proxy, "6.6.6.6, 8.8.8.8:99, 203.0.113.5, ::ffff:10.0.0.8", "8.8.8.8", "8.8.8.8, 203.0.113.5, 10.0.0.8"},
		{list, proxy, "192.168.1.5, 203.0.113.5", "192.168.1.5", "192.168.1.5, 203.0.113.5"},
		{list, proxy, "8.8.8.8, garbage, 203.0.113.5", "", "unknown, 203.0.113.5"},
	} {
		header := http.Header{}
		if tt.forwarded != none {
			header.Set(forwardedFor, tt.forwarded)
		}
		if got, _, chain := ask(t, &tt.handler, tt.peer, header); got != tt.want || chain != tt.chain {
			t.Errorf("%s from %s, chain %t: %q with %q, want %q with %q", tt.forwarded, tt.peer, tt.handler.Chain, got, chain, tt.want, tt.chain)
		}
	}
}

// With the default a private visitor is the visitor as a public one is, and what
// cannot be read is nobody, whatever a visitor has written before it.
func TestOneHop(t *testing.T) {
	visitors := map[string]string{"192.168.1.5": "192.168.1.5", "10.8.0.9": "10.8.0.9", "172.31.1.1": "172.31.1.1", "fd00::5": "fd00::5", "127.0.0.1": "127.0.0.1", "8.8.8.8": "8.8.8.8",
		"garbage": "", "unknown": "", "": "", `"8.8.8.8"`: "", " ": ""}
	for said, want := range visitors {
		for before := range visitors {
			for _, values := range [][]string{{said}, {before + "," + said}, {before, said}, {before + ", " + before, said}} {
				got, trusted, chain := ask(t, &Handler{Trusted: privateNetworks}, "10.0.0.9:1", http.Header{forwardedFor: values})
				if wantChain := cmp.Or(want, unknown); got != want || !trusted || chain != wantChain {
					t.Errorf("%q: %q, trusted %t, chain %q", values, got, trusted, chain)
				}
			}
		}
	}
}

// The differential: a slower reading of the rule, over random chains.
func TestChains(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pool := []string{"8.8.8.8", "2001:db8::1", "10.0.0.8", "::ffff:10.0.0.7", "192.168.1.5:80", "[fd00::5]:1", "203.0.113.9", "garbage", ""}
	believed := func(text string) bool { return strings.Contains(text, "10.0.0.") || text == "203.0.113.9" }
	for range 20_000 {
		chain := make([]string, 1+random.IntN(5))
		for i := range chain {
			chain[i] = pool[random.IntN(len(pool))]
		}
		last := len(chain) - 1
		for last > 0 && believed(chain[last]) {
			last--
		}
		want := ""
		if address, ok := ParseAddress(chain[last]); ok {
			want = address.String()
		}
		h := &Handler{Trusted: []string{"10.0.0.0/24", "203.0.113.9"}, Chain: true}
		got, _, kept := ask(t, h, "10.0.0.9:1", http.Header{forwardedFor: {strings.Join(chain, ", ")}})
		if first, _, _ := strings.Cut(kept, ", "); got != want || first != cmp.Or(want, unknown) || len(strings.Split(kept, ", ")) != len(chain)-last {
			t.Fatalf("%q: %q with %q, want %q", chain, got, kept, want)
		}
	}
}

func TestForwardedHeadersAreNotForThisConnectionOnly(t *testing.T) {
	header := http.Header{forwardedFor: {"8.8.8.8"}, "Connection": {"close, X-FORWARDED-FOR ,x-hop", "x-forwarded-proto", "Upgrade"}}
	ask(t, &Handler{Trusted: privateNetworks}, "10.0.0.9:1", header)
	if got := header["Connection"]; !slices.Equal(got, []string{"close,x-hop", "", "Upgrade"}) {
		t.Errorf("%q", got)
	}
}

func TestWarnsOnceOfVisitorsThatLookAlike(t *testing.T) {
	var out bytes.Buffer
	h := &Handler{Trusted: privateNetworks, log: slog.New(slog.NewTextHandler(&out, nil)), Quiet: []string{"/"}}
	ask(t, h, "10.0.0.9:1", http.Header{})
	if out.Len() > 0 {
		t.Errorf("a probe: %s", out.String())
	}
	h.Quiet = nil
	for range 3 {
		ask(t, h, "10.0.0.9:1", http.Header{})
		ask(t, h, "10.0.0.9:1", http.Header{forwardedFor: {"garbage"}})
		ask(t, h, "10.0.0.9:1", http.Header{forwardedFor: {"8.8.8.8, 10.0.0.8"}})
		ask(t, h, "8.8.8.8:1", http.Header{})
	}
	if lines := strings.Count(out.String(), "\n"); lines != 3 {
		t.Errorf("%d lines:\n%s", lines, out.String())
	}
}

// A proxy in front that nobody named is told of once; a client of the internet, which
// may write anything, keeps nobody from seeing that.
func TestWarnsOnceOfAProxyThatIsNotTrusted(t *testing.T) {
	var out bytes.Buffer
	h := &Handler{log: slog.New(slog.NewTextHandler(&out, nil))}
	for range 3 {
		ask(t, h, "8.8.8.8:1", http.Header{forwardedFor: {"6.6.6.6"}})
		ask(t, h, "172.22.0.1:1", http.Header{forwardedFor: {"6.6.6.6"}})
		ask(t, h, "172.22.0.1:1", http.Header{})
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "level=INFO") || !strings.Contains(lines[1], "level=WARN") || !strings.Contains(lines[1], "TRUSTED_PROXIES=172.22.0.1") {
		t.Errorf("it said:\n%s", out.String())
	}
}

// On the port that redirects, a near terminator is told of its circle, and a client of the
// internet of what is ignored on every port.
func TestOfWhomItIsSaidThatVisitorsGoInCircles(t *testing.T) {
	for peer, want := range map[string]string{"172.22.0.1:1": "visitors go in circles", "8.8.8.8:1": "level=INFO msg=\"X-Forwarded-For ignored"} {
		var out bytes.Buffer
		h := &Handler{Redirects: true, log: slog.New(slog.NewTextHandler(&out, nil))}
		for range 2 {
			ask(t, h, peer, http.Header{forwardedFor: {"6.6.6.6"}, "X-Forwarded-Proto": {"https"}})
		}
		if !strings.Contains(out.String(), want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("of %s it said:\n%s", peer, out.String())
		}
	}
}

// TestANameOfSomethingElse: a terminator that replaces the Host header is told of once; the
// site's names, probes by address or without a name, the paths of probes, and what asks from
// within the stack are not.
func TestANameOfSomethingElse(t *testing.T) {
	var log bytes.Buffer
	h := &Handler{Names: []string{"shop.example"}, Quiet: []string{"/health"}, notices: new(notices), log: slog.New(slog.NewTextHandler(&log, nil))}
	look := func(host, path string, forwarded ...string) string {
		log.Reset()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host, r.RemoteAddr = host, "10.0.0.9:1"
		for _, name := range forwarded {
			r.Header.Set(name, "https")
		}
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
		if err := h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })); err != nil {
			t.Fatal(err)
		}
		return log.String()
	}
	for _, host := range []string{"shop.example", "Shop.Example:8443", "10.0.0.2:80", "[fd00::1]:80", "localhost:80", "", ".", "shop.example.", "shop.example.:443", "proxy", "convex:80"} {
		if said := look(host, "/"); said != "" {
			t.Errorf("%s: %s", host, said)
		}
	}
	if said := look("lb.example", "/health"); said != "" {
		t.Error(said)
	}
	for _, header := range []string{"X-Forwarded-Proto", "Sec-Fetch-Mode"} {
		h.notices = new(notices)
		if said := look("proxy:80", "/", header); !strings.Contains(said, "level=WARN") || !strings.Contains(said, "host=proxy site=shop.example") || !strings.Contains(said, "proxy_set_header Host $host") {
			t.Errorf("with %s: %q", header, said)
		}
	}
	if said := look("lb.example:80", "/"); said != "" {
		t.Errorf("again: %s", said)
	}
}
