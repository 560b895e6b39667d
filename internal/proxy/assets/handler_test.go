package assets_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/tale-project/tale-runtime/internal/proxy/assets"
	"github.com/tale-project/tale-runtime/internal/proxy/bulk"
	"github.com/tale-project/tale-runtime/internal/proxy/caddytest"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const alias = "platform.assets.test"

// script returns a text of a size that is worth compressing.
func script(about string) string {
	return "/* " + about + " */\n" + strings.Repeat("export const message = 'the same again and again';\n", 100)
}

// build is a version of an application: files by path, and how they are answered.
type build struct {
	mu     sync.Mutex
	files  map[string]string
	header http.Header
	asked  map[string]int
	seen   []http.Header // of requests of the proxy's own
}

func newBuild(files map[string]string) *build {
	return &build{files: files, asked: map[string]int{}, header: http.Header{"Cache-Control": {"public, max-age=31536000, immutable"}}}
}

func (b *build) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked[r.URL.Path]++
	if r.UserAgent() == "tale-proxy" {
		b.seen = append(b.seen, r.Header.Clone())
	}
	text, there := b.files[r.URL.Path]
	if !there {
		http.Error(w, "no such file in this version", http.StatusNotFound)
		return
	}
	kind := map[string]string{".js": "text/javascript", ".css": "text/css", ".png": "image/png"}[filepath.Ext(r.URL.Path)]
	if kind == "" {
		kind = "text/html; charset=utf-8"
	} else {
		maps.Copy(w.Header(), b.header)
	}
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", time.Unix(1_700_000_000, 0), strings.NewReader(text))
}

func (b *build) requests(path string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked[path]
}

func (b *build) set(path, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[path] = text
}

// stage is two colours under one name and a proxy in front of them.
type stage struct {
	*testing.T
	dns     *upstreamstest.DNS
	ips     [2]string
	colours [2]*upstreamstest.Service
	builds  [2]*build
	handler assets.Handler
	url     string
}

// newStage starts blue; green is added by start.
func newStage(t *testing.T, blue, green *build) *stage {
	t.Helper()
	network := "127." + strconv.Itoa(1+int(time.Now().UnixNano()/1000%250)) + ".77"
	s := &stage{T: t, dns: upstreamstest.NewDNS(t), ips: [2]string{network + ".1", network + ".2"}, builds: [2]*build{blue, green}}
	port := upstreamstest.FreePort(t, s.ips[:]...)
	for i, b := range s.builds {
		s.colours[i] = upstreamstest.NewService(t, strconv.Itoa(i), s.ips[i], port, b)
	}
	s.colours[1].Stop()
	s.dns.Set(alias, s.ips[0])
	s.handler = assets.Handler{Folder: t.TempDir(), Limit: 64 << 20, Upstream: alias + ":" + strconv.Itoa(port), Host: "site.test", Scheme: "https"}
	s.run()
	return s
}

// run starts the proxy, as it does again after a restart.
func (s *stage) run() {
	s.Helper()
	source := upstreams.Source{Upstream: s.handler.Upstream, Probe: "/health", Resolver: s.dns.Addr(), Interval: caddy.Duration(20 * time.Millisecond), Hold: -1}
	s.url = "http://" + caddytest.Run(s.T, &caddyhttp.Server{Routes: caddyhttp.RouteList{caddytest.Handle(
		caddytest.Handler("encode", encode.Encode{EncodingsRaw: caddy.ModuleMap{"gzip": []byte("{}")}}),
		caddytest.Handler("tale_assets", &s.handler),
		caddytest.Handler("reverse_proxy", reverseproxy.Handler{
			DynamicUpstreamsRaw: caddyconfig.JSONModuleObject(source, "source", "probed", nil),
			LoadBalancing:       upstreams.LoadBalancing(),
			TransportRaw:        caddyconfig.JSONModuleObject(bulk.Transport{}, "protocol", "tale_bulk", nil),
		}),
	)}})
	s.awaitServing()
}

func (s *stage) restart() {
	s.Helper()
	caddytest.Stop(s.T)
	s.run()
}

func (s *stage) awaitServing() {
	s.Helper()
	testkit.Eventually(s.T, "somebody serves", func() bool { return len(serving()) > 0 })
}

func serving() (addresses []string) {
	for _, state := range upstreams.States() {
		for _, a := range state.Addresses {
			if a.Serving {
				addresses = append(addresses, a.Address)
			}
		}
	}
	return addresses
}

// start adds a colour, which becomes the newest.
func (s *stage) start(i int) {
	s.Helper()
	s.colours[i].Start()
	s.dns.Set(alias, s.ips[:]...)
	testkit.Eventually(s.T, "both serve", func() bool { return len(serving()) == 2 && serving()[0] == s.colours[i].Addr() })
}

// end takes a colour away.
func (s *stage) end(i int) {
	s.Helper()
	s.colours[i].Stop()
	s.dns.Set(alias, s.ips[1-i])
	testkit.Eventually(s.T, "the colour is forgotten", func() bool { return !slices.Contains(serving(), s.colours[i].Addr()) })
}

// replace has something else in the place of blue.
func (s *stage) replace(by http.Handler) {
	s.Helper()
	s.colours[0] = upstreamstest.NewService(s.T, "another", s.ips[0], s.vacate(), by)
	s.awaitServing()
}

// vacate stops blue, and returns its port.
func (s *stage) vacate() int {
	s.Helper()
	s.colours[0].Stop()
	testkit.Eventually(s.T, "it is gone", func() bool { return len(serving()) == 0 })
	_, port, _ := strings.Cut(s.colours[0].Addr(), ":")
	number, _ := strconv.Atoi(port)
	return number
}

// answer is what a visitor got.
type answer struct {
	status int
	header http.Header
	body   string // decoded
	size   int    // on the wire
}

// exchange sends a request and returns the answer with its body, as it came.
func (s *stage) exchange(request *http.Request) (*http.Response, []byte) {
	s.Helper()
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		s.Fatalf("%v: %v", request, err)
	}
	return response, raw
}

func (s *stage) ask(method, path string, header http.Header) answer {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), method, s.url+path, http.NoBody)
	if err != nil {
		s.Fatal(err)
	}
	request.Host = s.handler.Host
	if hosts := header["Host"]; len(hosts) > 0 {
		request.Host = hosts[0]
	}
	maps.Copy(request.Header, header)
	if header["Accept-Encoding"] == nil {
		request.Header.Set("Accept-Encoding", "br")
	}
	response, raw := s.exchange(request)
	a := answer{status: response.StatusCode, header: response.Header, size: len(raw), body: string(raw)}
	if response.Header.Get("Content-Encoding") == "br" {
		plain, err := io.ReadAll(brotli.NewReader(bytes.NewReader(raw)))
		if err != nil && method != http.MethodHead {
			s.Fatal(err)
		}
		a.body = string(plain)
	}
	return a
}

func (s *stage) get(path string) answer { s.Helper(); return s.ask(http.MethodGet, path, nil) }

func (s *stage) expect(path, body string) {
	s.Helper()
	if a := s.get(path); a.status != http.StatusOK || a.body != body {
		s.Errorf("%s: got %d, %.60q, want %.60q", path, a.status, a.body, body)
	}
}

// learn asks for a file until it comes compressed, which is when it is kept.
func (s *stage) learn(paths ...string) {
	s.Helper()
	for _, path := range paths {
		testkit.Eventually(s.T, path+" is kept", func() bool {
			return s.get(path).header.Get("Content-Encoding") == "br"
		})
	}
}

const (
	old    = "/assets/old-BxYz12_a.js"
	lazy   = "/assets/lazy-Q9aT4_xK.js"
	common = "/assets/vendor-C0mm0nZz.js"
	next   = "/assets/new-Zz34aB_q.js"
)

func blue() *build {
	return newBuild(map[string]string{
		"/":      `<script type="module" src="` + old + `"></script>`,
		old:      script("old") + `import("./lazy-Q9aT4_xK.js")`,
		lazy:     script("lazy"),
		common:   script("common"),
		"/sw.js": script("worker"),
	})
}

func green() *build {
	return newBuild(map[string]string{"/": `<script src="` + next + `"></script>`, next: script("new"), common: script("common")})
}

func TestAKeptFileAnswersWithoutTheApplication(t *testing.T) {
	b := blue()
	s := newStage(t, b, green())
	s.learn(old)
	before := b.requests(old)
	for range 20 {
		s.expect(old, b.files[old])
	}
	if n := b.requests(old) - before; n != 0 {
		t.Errorf("the application was asked %d times", n)
	}
	if a := s.get(old); a.size*5 > len(a.body) || a.header.Get("Vary") != "Accept-Encoding" || a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("got %d bytes, %v", a.size, a.header)
	}
}

func TestTheOlderColourIsAskedForWhatTheNewestLacks(t *testing.T) {
	b := blue()
	s := newStage(t, b, green())
	s.handlerOff()
	s.start(1)
	s.expect(next, s.builds[1].files[next])
	s.expect(old, b.files[old])
	if a := s.get("/assets/neither-Zz34aB_q.js"); a.status != http.StatusNotFound || a.body != "no such file in this version\n" {
		t.Errorf("a file that nobody has: %d %q", a.status, a.body)
	}
	if a := s.get("/unhashed.js"); a.status != http.StatusNotFound {
		t.Errorf("an unhashed name: %d", a.status)
	}
	basic := s.ask(http.MethodGet, old, http.Header{"Authorization": {"Basic eDp5"}})
	if basic.status != http.StatusOK || basic.body != b.files[old] {
		t.Errorf("with credentials: %d", basic.status)
	}
}

// handlerOff makes sure that nothing is kept yet: the test is about colours.
func (s *stage) handlerOff() {
	s.Helper()
	if files, _ := filepath.Glob(filepath.Join(s.handler.Folder, "index", "*")); len(files) != 0 {
		s.Fatal("files are kept already")
	}
}

// The page that a visitor has open names its first part; that one names another,
// which nobody asked for before the switch.
func TestPagesFindTheirPartsAfterTheirVersionIsGone(t *testing.T) {
	b, g := blue(), green()
	s := newStage(t, b, g)
	s.expect("/", b.files["/"])
	s.awaitKept(2)
	s.start(1)
	s.end(0)
	for range 2 {
		s.expect(old, b.files[old])
		s.expect(lazy, b.files[lazy])
		s.restart()
	}
	s.end2()
	s.expect(old, b.files[old])
	if a := s.get("/"); a.status == http.StatusOK {
		t.Error("a page was kept")
	}
}

// end2 takes the last colour away.
func (s *stage) end2() {
	s.Helper()
	s.colours[1].Stop()
	testkit.Eventually(s.T, "nobody serves", func() bool { return len(serving()) == 0 })
}

func (s *stage) awaitKept(n int) {
	s.Helper()
	testkit.Eventually(s.T, fmt.Sprint(n, " files are kept"), func() bool {
		files, _ := filepath.Glob(filepath.Join(s.handler.Folder, "index", "*"))
		return len(files) == n
	})
}

// A name that comes back with other bytes is not immutable; the version that serves
// is right, and a roll back too.
func TestTheVersionThatServesDecidesWhatANameHolds(t *testing.T) {
	b, g := blue(), green()
	g.set(common, script("changed"))
	s := newStage(t, b, g)
	s.learn(common)
	s.start(1)
	s.expect(common, g.files[common])
	s.end(0)
	s.learn(common)
	s.expect(common, g.files[common])
	s.start(0)
	s.expect(common, b.files[common])
	s.learn(common)
	s.expect(common, b.files[common])
}

func TestManyFirstRequestsAreOneFetch(t *testing.T) {
	b := blue()
	s := newStage(t, b, green())
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { s.expect(old, b.files[old]) })
	}
	all.Wait()
	s.learn(old)
	b.mu.Lock()
	defer b.mu.Unlock()
	fetches := 0
	for _, header := range b.seen {
		if header["Cookie"] != nil || header["Authorization"] != nil || header.Get("Accept-Encoding") != "identity" {
			t.Errorf("the proxy asked with %v", header)
		}
		// An application may show more to who is near, and to who comes from nowhere.
		for _, name := range []string{"X-Forwarded-For", "X-Real-Ip"} {
			if address, err := netip.ParseAddr(header.Get(name)); err != nil || address.IsPrivate() || address.IsLoopback() || !address.IsGlobalUnicast() {
				t.Errorf("the proxy asked with %s: %q", name, header.Get(name))
			}
		}
		fetches++
	}
	if fetches != 2 { // the file, and the part that it names
		t.Errorf("it was fetched %d times", fetches)
	}
}

// canary is in every request and answer that is somebody's.
const canary = "canary-7f3a9c"

func TestNothingOfAVisitorIsKept(t *testing.T) {
	b := blue()
	mine := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		w.Header().Set("Cache-Control", "public, immutable")
		switch {
		case r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "":
			_, _ = io.WriteString(w, script(canary)) // an application that forgets `private`
		case strings.HasPrefix(r.URL.Path, "/assets/guarded-"):
			http.Error(w, "sign in", http.StatusUnauthorized)
		default:
			_, _ = io.WriteString(w, script("for everybody"))
		}
	})
	s := newStage(t, b, green())
	s.replace(mine)
	for _, header := range []http.Header{{"Cookie": {"session=" + canary}}, {"Authorization": {"Bearer " + canary}}} {
		for _, path := range []string{old, "/assets/guarded-BxYz12_a.js", "/declared.js"} {
			if a := s.ask(http.MethodGet, path, header); !strings.Contains(a.body, canary) {
				t.Errorf("%s was not asked of the application: %q", path, a.body)
			}
		}
	}
	s.ask(http.MethodGet, lazy, http.Header{"Authorization": {"Bearer " + canary}})
	s.learn(old, common) // the second after the one that was asked for with credentials
	s.expect(old, script("for everybody"))
	if a := s.ask(http.MethodGet, old, http.Header{"Authorization": {"Bearer " + canary}}); !strings.Contains(a.body, canary) {
		t.Error("a request with credentials was answered with what was kept")
	}
	if a := s.get("/assets/guarded-BxYz12_a.js"); a.status != http.StatusUnauthorized {
		t.Errorf("a guarded file: %d", a.status)
	}
	blobs, err := filepath.Glob(filepath.Join(s.handler.Folder, "*", "*"))
	if err != nil || len(blobs) < 2 {
		t.Fatal(blobs, err)
	}
	for _, name := range blobs {
		if data := readFile(t, name); bytes.Contains(data, []byte(canary)) || bytes.Contains(data, []byte(lazy)) {
			t.Errorf("%s holds what is a visitor's", name)
		}
	}
}

func TestServiceWorkersAndPagesAreNotKept(t *testing.T) {
	b := blue()
	s := newStage(t, b, green())
	s.learn(old)
	for range 3 {
		s.get("/sw.js")
		s.get("/")
		s.ask(http.MethodGet, lazy, http.Header{"Service-Worker": {"script"}})
	}
	s.awaitKept(2) // old, and lazy because old names it
	if b.requests("/sw.js") != 3 || b.requests("/") != 3 {
		t.Error("an answer came from elsewhere")
	}
	if n := b.requests(lazy); n != 4 {
		t.Errorf("as a service worker, the application was asked for it %d times", n-1)
	}
}

func TestUnderABasePath(t *testing.T) {
	b := blue()
	b.set("/", `<script src="/tale`+old+`"></script>`)
	s := newStage(t, b, green())
	s.handler.BasePath = "/tale"
	s.restart()
	s.expect("/", b.files["/"])
	s.awaitKept(2)
}

func TestAFolderThatCannotBeWrittenTurnsTheStoreOff(t *testing.T) {
	s := newStage(t, blue(), green())
	s.handler.Folder = filepath.Join("/proc", "nothing-can-be-made-here")
	s.restart()
	s.expect(old, s.builds[0].files[old])
	s.expect(old, s.builds[0].files[old])
	s.handler.Folder, s.handler.Limit = filepath.Join(t.TempDir(), "off"), 0
	s.restart()
	s.expect(old, s.builds[0].files[old])
	if files, _ := filepath.Glob(s.handler.Folder); files != nil {
		t.Error("with a limit of 0 there is a folder")
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
