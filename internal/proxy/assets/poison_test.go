package assets_test

import (
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
)

// personal are headers whose values a careless application puts into answers that
// everybody may keep.
var personal = []string{"Cookie", "Authorization", "Proxy-Authorization", "Origin", "Referer", "User-Agent", "Accept", "Accept-Language", "X-Forwarded-For", "X-Forwarded-Host", "X-Http-Method-Override", "Forwarded", "If-Range", "X-Api-Key"}

// careless answers with what it was sent, and says that it is immutable.
func careless(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<script src="`+old+`"></script>`+strings.Repeat(" ", 1000))
		return
	}
	var mine strings.Builder
	for _, name := range personal {
		if value := r.Header.Get(name); strings.Contains(value, canary) {
			mine.WriteString(name + ": " + value)
		}
	}
	if r.Host != "site.test" && r.UserAgent() == "tale-proxy" {
		mine.WriteString(canary + r.Host)
	}
	if strings.Contains(r.URL.RawQuery, canary) {
		mine.WriteString(canary)
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Vary", "Origin")
	}
	w.Header().Set("Content-Type", "text/javascript")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Etag", `"app-`+strconv.Itoa(mine.Len())+`"`)
	http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), strings.NewReader(script(r.URL.Path+mine.String())))
}

// oddRequest returns a request for a file as attackers and odd clients make them.
func oddRequest(r *rand.Rand, url string) *http.Request {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	path := pick(old, lazy, common, next) + pick("", "", "", "?x", "?"+canary, "?")
	request, err := http.NewRequest(pick("GET", "GET", "GET", "HEAD"), url+path, nil) //nolint:noctx // it has a time limit
	if err != nil {
		panic(err)
	}
	request.Host = "site.test"
	odd := map[string][]string{
		"Accept-Encoding":   {"br", "gzip", "zstd", "identity", "br;q=0, *", "*;q=0", "gzip;q=0.1, br;q=0.2, identity;q=0", "br, br;q=0", "x-gzip", ", ,", "BR", "br;q=2", "identity;q=0, *;q=0", "br\t,gzip"},
		"Range":             {"bytes=0-0", "bytes=5-", "bytes=-7", "bytes=99999999-", "bytes=0-1,3-4", "bytes=7-3", "bits=0-1", "bytes=0-0,0-0,0-0", "bytes="},
		"If-Range":          {`"app-0"`, `W/"app-0"`, "Tue, 14 Nov 2023 22:13:20 GMT", "x", canary},
		"If-None-Match":     {`"app-0"`, `W/"app-0"`, "*", `"x", "y"`, `"`, canary, `"app-0-br"`, `"app-0-gzip"`},
		"If-Match":          {`"app-0"`, "*", `"x"`},
		"If-Modified-Since": {"Tue, 14 Nov 2023 22:13:20 GMT", "Mon, 13 Nov 2023 22:13:20 GMT", "x"},
		"Cache-Control":     {"no-cache", "no-store", "only-if-cached", "max-age=0"},
	}
	for _, name := range slices.Sorted(maps.Keys(odd)) { // the same with the same seed
		if r.IntN(5) == 0 {
			request.Header.Set(name, pick(odd[name]...))
		}
	}
	if r.IntN(3) == 0 {
		request.Header.Set(personal[r.IntN(len(personal))], canary)
	}
	if r.IntN(10) == 0 {
		request.Host = pick("other.test", canary+".test", "site.test:1")
	}
	return request
}

var seed = flag.Uint64("seed", 1, "of the odd requests")

// TestNoRequestPoisonsTheStore sends odd requests while colours come and go, and holds
// every answer to what HTTP says of it: nobody gets what is another's.
func TestNoRequestPoisonsTheStore(t *testing.T) {
	r := rand.New(rand.NewPCG(*seed, 1))
	s := newStage(t, blue(), green())
	number := s.vacate()
	for i := range s.colours {
		s.colours[i] = upstreamstest.NewService(t, "careless", s.ips[i], number, http.HandlerFunc(careless))
	}
	s.colours[1].Stop()
	s.awaitServing()
	s.learn(old, lazy, common, next)
	kinds := map[string]int{}
	for turn := range 6 {
		for range 250 {
			s.hold(oddRequest(r, s.url), kinds)
		}
		switch turn {
		case 1:
			s.start(1)
		case 3:
			s.end(0)
		}
	}
	for _, kind := range []string{"200 br", "200 gzip", "200 zstd", "200 ", "206 ", "304 ", "416 "} {
		if kinds[kind] == 0 {
			t.Errorf("no answer was %q: %v", kind, kinds)
		}
	}
}

// What visitors write into a page does not become a request that they cannot make.
func TestPagesNameNothingOfOtherRows(t *testing.T) {
	b := blue()
	const closed = "/Metrics/x-BxYz12_a.js"
	b.set("/", `<p>`+closed+` <script src="`+old+`"></script>`)
	b.set(closed, script("closed"))
	s := newStage(t, b, green())
	s.handler.Elsewhere = []string{"/metrics", "/metrics/*"}
	s.restart()
	s.expect("/", b.files["/"])
	s.awaitKept(2) // old, and lazy because old names it
	if n := b.requests(closed); n != 0 {
		t.Errorf("it was asked for %d times", n)
	}
}

// moody has the files of a build for visitors who do not ask for a page, or on another host.
func moody(b *build) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "site.test":
			http.Error(w, "no such host", http.StatusNotFound)
		case strings.Contains(r.Header.Get("Accept"), "text/html"):
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "the start page")
		default:
			b.ServeHTTP(w, r)
		}
	})
}

// A visitor who asks for a file in such a way that it is not there must not keep the one
// that was there before: the new version may have it with other bytes.
func TestAVisitorCannotKeepAFileThatHasChanged(t *testing.T) {
	const logo = "/logo.png"
	for name, header := range map[string]http.Header{"as a page": {"Accept": {"text/html"}}, "on another host": {"Host": {"other.test"}}} {
		for _, path := range []string{common, logo} {
			t.Run(name+" "+path, func(t *testing.T) {
				b, g := blue(), green()
				b.set(logo, script("blue"))
				g.set(logo, script("green"))
				g.set(common, script("changed"))
				s := newStage(t, b, g)
				s.replace(moody(b))
				s.expect(path, b.files[path])
				s.awaitKept(1)
				s.replace(moody(g))
				for range 20 {
					s.ask(http.MethodGet, path, header)
				}
				s.expect(path, g.files[path])
			})
		}
	}
}

// What only says of itself that it is immutable may be another on each host.
func TestAFileWithoutAHashIsOfOneHost(t *testing.T) {
	s := newStage(t, blue(), green())
	s.replace(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		w.Header().Set("Cache-Control", "immutable")
		_, _ = io.WriteString(w, script(r.Host))
	}))
	const theme = "/theme.css"
	other := http.Header{"Host": {"other.test"}}
	for range 3 {
		if a := s.ask(http.MethodGet, theme, other); a.body != script("other.test") {
			t.Errorf("on another host: %.60q", a.body)
		}
		s.learn(theme)
		s.expect(theme, script("site.test"))
	}
	if a := s.ask(http.MethodGet, theme, http.Header{"Host": {"site.test:443"}}); a.body != script("site.test") || a.header.Get("Content-Encoding") != "br" {
		t.Errorf("on the site's host with its port: %q, %.60q", a.header.Get("Content-Encoding"), a.body)
	}
}

// hold sends a request and judges the answer.
func (s *stage) hold(request *http.Request, kinds map[string]int) {
	s.Helper()
	response, raw := s.exchange(request)
	encoding := response.Header.Get("Content-Encoding")
	kinds[fmt.Sprintf("%d %s", response.StatusCode, encoding)]++
	for _, fault := range faultsOf(request, response, string(raw), encoding) {
		s.Errorf("%s %s %v: %d %v: %s", request.Method, request.URL.RequestURI(), request.Header, response.StatusCode, response.Header, fault)
	}
}

func faultsOf(request *http.Request, response *http.Response, raw, encoding string) (faults []string) {
	sentCanary := strings.Contains(fmt.Sprint(request.Header, request.URL.RawQuery, request.Host), canary)
	plain := script(request.URL.Path)
	fault := func(wrong bool, what string) {
		if wrong {
			faults = append(faults, what)
		}
	}
	body := decodedAs(encoding, raw)
	fault(strings.Contains(body, canary) && !sentCanary, "it holds what is another's")
	fault(request.Header.Get("Origin") != "" && response.StatusCode == http.StatusOK && response.Header.Get("Access-Control-Allow-Origin") == "", "the other site may not read it")
	fault(encoding != "" && !strings.Contains(strings.ToLower(request.Header.Get("Accept-Encoding")), strings.TrimPrefix(encoding, "x-")) && !strings.Contains(request.Header.Get("Accept-Encoding"), "*") && request.Header.Get("Accept-Encoding") != "", "it cannot read "+encoding)
	whole := request.Method == http.MethodGet && !sentCanary
	switch response.StatusCode {
	case http.StatusOK:
		fault(whole && body != plain, "it is another file")
	case http.StatusPartialContent:
		fault(request.Header.Get("Range") == "" || encoding != "", "it did not ask for a part")
		var from, to, size int
		if _, err := fmt.Sscanf(response.Header.Get("Content-Range"), "bytes %d-%d/%d", &from, &to, &size); err == nil && whole {
			fault(size != len(plain) || raw != plain[from:to+1], "it is another part")
		}
	case http.StatusNotModified:
		fault(request.Header["If-None-Match"] == nil && request.Header["If-Modified-Since"] == nil, "it did not say that it has the file")
	case http.StatusPreconditionFailed:
		fault(request.Header["If-Match"] == nil || slices.Contains([]string{"*", `"app-0"`}, request.Header.Get("If-Match")) && !sentCanary, "it is what the condition says")
	case http.StatusRequestedRangeNotSatisfiable:
		fault(request.Header.Get("Range") == "", "it did not ask for a part")
	default:
		fault(true, "an unexpected status")
	}
	return faults
}

func decodedAs(encoding, raw string) string {
	var from io.Reader = strings.NewReader(raw)
	switch encoding {
	case "br":
		from = brotli.NewReader(from)
	case "gzip":
		from, _ = gzip.NewReader(from)
	case "zstd":
		from, _ = zstd.NewReader(from)
	}
	if raw == "" {
		return ""
	}
	plain, err := io.ReadAll(from)
	if err != nil {
		return err.Error()
	}
	return string(plain)
}
