package assets

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// chance returns a source of names and answers that is the same in every run.
func chance() *rand.Rand { return rand.New(rand.NewPCG(12, 3)) }

func bytesOf(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// tools make names as they do by default. A name that is taken for one without a
// hash costs a little speed; one in fifty may be, in those that are all letters.
func TestHashedNamesOfToolsAreSeen(t *testing.T) {
	r := chance()
	word := func() string {
		return []string{"index", "vendor", "user-card", "rolldown-runtime", "_page", "x"}[r.IntN(6)]
	}
	vite := func() string { return base64.RawURLEncoding.EncodeToString(bytesOf(r, 6)) }
	hexes := func(n int) string { return hex.EncodeToString(bytesOf(r, n)) }
	tools := map[string]func() string{
		"Vite":           func() string { return "/assets/" + word() + "-" + vite() + ".js" },
		"Vite, image":    func() string { return "/assets/" + word() + "-" + vite() + ".svg" },
		"webpack":        func() string { return "/" + word() + "." + hexes(10) + ".js" },
		"webpack, chunk": func() string { return "/static/js/" + word() + "." + hexes(10) + ".chunk.js" },
		"CRA, image":     func() string { return "/static/media/logo." + hexes(16) + ".svg" },
		"Next":           func() string { return "/_next/static/chunks/123-" + hexes(8) + ".js" },
		"Next, build":    func() string { return "/_next/static/" + vite() + vite() + "/_buildManifest.js" },
		"Next, route":    func() string { return "/_next/static/chunks/app/[slug]/(group)/@side/page-" + hexes(8) + ".js" },
		"Next, style":    func() string { return "/_next/static/css/" + hexes(8) + ".css" },
		"SvelteKit":      func() string { return "/_app/immutable/chunks/" + vite() + ".js" },
		"Astro":          func() string { return "/_astro/hoisted." + vite() + ".js" },
		"esbuild":        func() string { return "/build/chunk-" + base32Of(r) + ".js" },
		"Parcel":         func() string { return "/" + word() + "." + hexes(4) + ".css" },
		"font":           func() string { return "/fonts/inter-latin-" + hexes(8) + ".woff2" },
	}
	for tool, name := range tools {
		seen := 0
		for range 2000 {
			if kindOf(name()) == named {
				seen++
			}
		}
		if seen < 1900 {
			t.Errorf("%s: %d of 2000, for example %s", tool, seen, name())
		}
	}
}

func base32Of(r *rand.Rand) string {
	text := make([]byte, 8)
	for i := range text {
		text[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[r.IntN(32)]
	}
	return string(text)
}

func TestNamesWithoutAHashAreNotTakenForOne(t *testing.T) {
	for _, p := range []string{
		"/favicon.ico", "/logo.svg", "/robots.txt", "/manifest.webmanifest", "/assets/index.js", "/assets/main-dashboard.js",
		"/assets/logo-original.png", "/assets/icon-UserCard.svg", "/assets/page-UserProfile.js", "/assets/page-Settings.js",
		"/assets/theme-material3.css", "/static/icon-1024x1024.png", "/static/photo-1920x1080@2x.png", "/static/apple-touch-icon-152x152.png",
		"/js/jquery-3.7.1.min.js", "/js/bootstrap.bundle.min.js", "/js/polyfill-es2015.js", "/static/report-20240131.json", "/static/shot-20240131T120000.png",
		"/js/index-my_module.js", "/js/app.v1234567.js", "/js/foo-bar-Baz1.js", "/js/service-workers.js", "/static/js/bootstrap-datepicker.js",
		"/uploads/avatar-3f2a9c1b77.png", "/files/contract-BxYz12_a.pdf", "/report-550e8400-e29b-41d4-a716-446655440000.pdf",
	} {
		if k := kindOf(p); k == named {
			t.Errorf("%s is taken for a hashed name", p)
		}
	}
}

func TestPathsThatNothingIsKeptFor(t *testing.T) {
	for _, p := range []string{
		"", "/", "/sw.js", "/service-worker.js", "/serviceworker.js", "/firebase-messaging-sw.js", "/app/sw-BxYz12_a.js", "/assets/sw.BxYz12_a.mjs", "/SW.JS",
		"/_next/static/sw.js", "/ngsw.js/../sw.js", "/index.html", "/assets/page-BxYz12_a.html", "/_next/static/x.HTM",
		"/assets//index-BxYz12_a.js", "/assets/../index-BxYz12_a.js", "/assets/./index-BxYz12_a.js", "/assets/index-BxYz12_a.js/", "assets/index-BxYz12_a.js",
		"/assets/index-BxYz12_a.js\x00", "/assets/in dex-BxYz12_a.js", `/assets\index-BxYz12_a.js`, "/assets/%69ndex-BxYz12_a.js", "/assets/index;-BxYz12_a.js",
		"/assets/index-BxYz12_a.js?", "/" + strings.Repeat("a", maxPath) + "-BxYz12_a.js", "/ä-BxYz12_a.js",
	} {
		if k := kindOf(p); k != never {
			t.Errorf("%q: %v", p, k)
		}
	}
}

var patterns = map[string]*regexp.Regexp{}

func compiled(pattern string) *regexp.Regexp {
	if patterns[pattern] == nil {
		patterns[pattern] = regexp.MustCompile(pattern)
	}
	return patterns[pattern]
}

// statement reports the rule in other words, read from the text of an answer.
func statement(path, answer string) bool {
	has := func(pattern string) bool { return compiled(`(?im)` + pattern).MatchString(answer) }
	hashed := strings.Contains(path, "BxYz12_a") || strings.Contains(path, "/_next/static/")
	immutable := has(`^cache-control:(.*[ ,])?immutable *(,|$)`)
	if compiled(`sw\.js$|service-worker\.js$|\.html$`).MatchString(path) || !hashed && !immutable {
		return false
	}
	for _, forbidden := range []string{
		`^set-cookie:`, `^content-range:`, `^service-worker-allowed:`, `^content-encoding: *(gzip|br|zstd)`, `^content-type: *(text/html|application/xhtml|text/event-stream)`,
		`^cache-control:(.*[ ,])?(private|no-store|no-cache) *(,|=|$)`, `^pragma:.*no-cache`, `^vary:(.*[ ,])?(\*|cookie|origin|accept|user-agent|accept-language) *(,|$)`,
	} {
		if has(forbidden) {
			return false
		}
	}
	return strings.HasPrefix(answer, "200") && has(`^content-type:`)
}

func TestWhatMayBeKept(t *testing.T) {
	r := chance()
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	yes, no := 0, 0
	for range 60_000 {
		path := pick("/assets/index-BxYz12_a.js", "/assets/index-BxYz12_a.css", "/_next/static/abc/_buildManifest.js", "/logo.svg", "/a/b.js", "/sw.js", "/service-worker.js", "/assets/x-BxYz12_a.html")
		status := []int{200, 200, 200, 200, 201, 203, 204, 206, 301, 304, 404, 500}[r.IntN(12)]
		header := http.Header{}
		for _, line := range []struct {
			name, value string
			every       int
		}{
			{"Content-Type", pick("text/javascript", "Text/JavaScript; charset=utf-8", "image/png", "application/octet-stream", "text/html", "Text/HTML;charset=utf-8", "application/xhtml+xml", "text/event-stream"), 1},
			{"Cache-Control", pick("immutable", "public, max-age=31536000, immutable", "Public,Immutable", "max-age=60", "no-cache", "private", "max-age=0, must-revalidate"), 2},
			{"Cache-Control", pick("no-store", "Private", "private=\"x\"", "immutable", "public", "s-maxage=3", "no-cache=\"set-cookie\"", "NO-STORE", "max-age=1, private , immutable"), 5},
			{"Vary", pick("Accept-Encoding", "accept-encoding", "Accept-Encoding, Origin", "Cookie", "*", "Accept", "user-agent", "accept-encoding , Accept-Language"), 4},
			{"Vary", pick("Accept-Encoding", "Cookie"), 9},
			{"Set-Cookie", "a=b", 12}, {"Pragma", "no-cache", 15}, {"Content-Range", "bytes 0-1/2", 15}, {"Service-Worker-Allowed", "/", 15},
			{"Content-Encoding", pick("gzip", "br", "identity", "zstd"), 10}, {"Etag", `"x"`, 3}, {"Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT", 3},
		} {
			if r.IntN(line.every) == 0 {
				header.Add(line.name, line.value)
			}
		}
		if r.IntN(20) == 0 {
			header.Del("Content-Type")
		}
		var answer strings.Builder
		answer.WriteString(strconv.Itoa(status) + "\n")
		for name, values := range header {
			for _, value := range values {
				answer.WriteString(name + ": " + value + "\n")
			}
		}
		want := statement(path, answer.String())
		if got := keepable(kindOf(path), status, header); got != want {
			t.Fatalf("%s %d %v: %v", path, status, header, got)
		}
		if want {
			yes++
		} else {
			no++
		}
	}
	if yes < 1000 || no < 1000 {
		t.Errorf("%d of the answers may be kept, %d may not: that says little", yes, no)
	}
}

func TestWhichRequestsAreForFiles(t *testing.T) {
	request := func(change func(*http.Request)) *http.Request {
		r := &http.Request{Method: http.MethodGet, Header: http.Header{}, URL: &url.URL{Path: "/assets/index-BxYz12_a.js"}}
		change(r)
		return r
	}
	for what, change := range map[string]func(*http.Request){
		"POST": func(r *http.Request) { r.Method = http.MethodPost }, "body": func(r *http.Request) { r.ContentLength = 3 }, "chunked body": func(r *http.Request) { r.ContentLength = -1 },
		"service worker": func(r *http.Request) { r.Header.Set("Service-Worker", "script") }, "upgrade": func(r *http.Request) { r.Header.Set("Upgrade", "x") },
	} {
		if eligible(request(change)) {
			t.Errorf("%s is eligible", what)
		}
	}
	if r := request(func(r *http.Request) { r.Header.Set("Cookie", "a=b") }); !eligible(r) || credentialed(r) {
		t.Error("a cookie is taken for credentials: then no visitor with a session has anything of the store")
	}
	if !credentialed(request(func(r *http.Request) { r.Header.Set("Authorization", "") })) {
		t.Error("an empty Authorization is none")
	}
	for _, change := range []func(*url.URL){func(u *url.URL) { u.RawQuery = "v=1" }, func(u *url.URL) { u.ForceQuery = true }, func(u *url.URL) { u.RawPath = "/assets%2Findex-BxYz12_a.js" }, func(u *url.URL) { u.Opaque = "x" }} {
		if _, k := pathOf(request(func(r *http.Request) { change(r.URL) })); k != never {
			t.Error("a request that could be for something else is for a file")
		}
	}
	const page = "/_next/static/chunks/app/[id]/page-3f2a9c81d4e5.js"
	for _, raw := range []string{"", page, "/_next/static/chunks/app/%5Bid%5D/page-3f2a9c81d4e5.js"} {
		if p, k := pathOf(request(func(r *http.Request) { r.URL.Path, r.URL.RawPath = page, raw })); p != page || k != named {
			t.Errorf("%q is not taken for a file", raw)
		}
	}
}

func TestReferencesAreFoundWhereverAPieceEnds(t *testing.T) {
	for _, test := range []struct {
		from, base, text string
		want             []string
	}{
		{"/", "", `<link href="/assets/index-BxYz12_a.css"><script src=/assets/index-BxYz12_b.js></script><img src="/logo.svg">`, []string{"/assets/index-BxYz12_a.css", "/assets/index-BxYz12_b.js"}},
		{"/x", "/tale", `<link href="/tale/assets/index-BxYz12_a.css">`, []string{"/assets/index-BxYz12_a.css"}},
		{"/assets/index-BxYz12_a.js", "", `d=["./routes-BNvFU4fl.js","assets/user-Q9aT4_xK.js"];import{n}from"./rolldown-runtime-WkwZ5CU-.js"`, []string{"/assets/routes-BNvFU4fl.js", "/assets/user-Q9aT4_xK.js", "/assets/rolldown-runtime-WkwZ5CU-.js"}},
		{"/assets/index-BxYz12_a.css", "", `@font-face{src:url(inter-Q9aT4_xK.woff2)} a{background:url('../img/x-0123456789abcdef.css')}`, []string{"/assets/inter-Q9aT4_xK.woff2", "/img/x-0123456789abcdef.css"}},
		{"/", "", `self.__next_f.push([1,"[\"static/chunks/app/%5Bslug%5D/page-3f2a9c81d4e5.js\"]"])`, []string{"/_next/static/chunks/app/[slug]/page-3f2a9c81d4e5.js"}},
		{"/", "", `<script src="https://cdn.example/assets/index-BxYz12_a.js"></script><script src="//cdn.example/a-BxYz12_a.js"></script>` + strings.Repeat("x", 2000) + `-BxYz12_a.js`, nil},
		{"/a-BxYz12_a.js", "", "//# sourceMappingURL=a-BxYz12_a.js.map", nil},
		{"/a-BxYz12_a.js", "", "./last-BxYz12_a.js", []string{"/last-BxYz12_a.js"}},
	} {
		for size := 1; size <= len(test.text); size++ {
			var found []string
			s := &references{base: test.base, from: test.from, found: func(p string) { found = append(found, p) }}
			for rest := []byte(test.text); len(rest) > 0; rest = rest[min(size, len(rest)):] {
				_, _ = s.Write(rest[:min(size, len(rest))])
			}
			s.Close()
			if !slices.Equal(found, test.want) {
				t.Fatalf("in pieces of %d: found %v, want %v", size, found, test.want)
			}
		}
	}
}

// A page's own modules come with its own site as Origin, and are for it.
func TestWhichSiteAKeptFileIsFor(t *testing.T) {
	for _, tt := range []struct {
		origins []string
		allowed string
		want    bool
	}{
		{nil, "", true},
		{[]string{"https://site.test"}, "", true},
		{[]string{"https://SITE.test"}, "", true},
		{[]string{"https://site.test:8443"}, "", false},
		{[]string{"https://other.test"}, "", false},
		{[]string{"null"}, "", false},
		{[]string{""}, "", false},
		{[]string{"https://site.test", "https://other.test"}, "", false},
		{[]string{"https://other.test"}, "*", true},
		{[]string{"https://other.test"}, "https://other.test", false},
	} {
		f := &file{record: record{Header: http.Header{"Access-Control-Allow-Origin": {tt.allowed}}}}
		r := httptest.NewRequest(http.MethodGet, "https://site.test/assets/x-BxYz12_a.js", nil)
		r.Header["Origin"] = tt.origins
		if tt.origins == nil {
			delete(r.Header, "Origin")
		}
		if got := f.open(r); got != tt.want {
			t.Errorf("%q, %q: %v", tt.origins, tt.allowed, got)
		}
	}
}

func TestTheSitesHostMayHaveThePortOfItsScheme(t *testing.T) {
	for site, hosts := range map[[2]string]map[string]bool{
		{"https", "site.test"}:      {"site.test": true, "SITE.test": true, "site.test:443": true, "site.test:80": false, "site.test:1443": false, "other.test:443": false, "": false},
		{"http", "site.test"}:       {"site.test": true, "site.test:80": true, "site.test:443": false},
		{"https", "site.test:8443"}: {"site.test:8443": true, "site.test": false, "site.test:443": false},
		{"https", "[::1]"}:          {"[::1]": true, "[::1]:443": true, "[::2]": false},
	} {
		h := &Handler{Scheme: site[0], Host: site[1]}
		for host, want := range hosts {
			if got := h.isOwn(host); got != want {
				t.Errorf("%q is the host of %s://%s: %v", host, h.Scheme, h.Host, got)
			}
		}
	}
}
