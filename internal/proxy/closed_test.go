package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// closedPaths are paths that a visitor outside of DASHBOARD_ALLOW and without the
// metrics token must not get, by what lies there.
var closedPaths = map[string][]string{
	"metrics":   {"/metrics", "/metrics/convex", "/metrics/platform", "/http_api/metrics", "/http_api/metrics/x"},
	"dashboard": {"/convex-dashboard", "/convex-dashboard/settings", "/convex-dashboard/_next/x.js"},
	"admin API": {"/api/list_environment_variables", "/api/deploy2/start_push", "/ws_api/api/query", "/ws_api/api/deploy2/start_push"},
	"in a body": {"/api/run_test_function"},
	"sync":      {"/api/1.35.1/sync", "/api/x/sync"},
	"the rest":  {"/ws_api/version", "/ws_api/metrics", "/ws_api/api/shapes2", "/ws_api"},
}

// spelling is one request and where it came out, if it did.
type spelling struct {
	of, target string
	admin      bool
	on         routes.Upstream
	arrived    string
	head       string // as it arrived
}

// recorder keeps the targets of requests as they arrive, by the number in X-Spelling.
type recorder struct {
	mu        sync.Mutex
	spellings []spelling
	first     int // the number of the first: those before it may still arrive
}

// expect makes the recorder ready for more spellings.
func (c *recorder) expect(spellings []spelling) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.first += len(c.spellings)
	c.spellings = spellings
}

// record keeps what has arrived, unless it is of spellings before.
func (c *recorder) record(number int, on routes.Upstream, head string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := number - c.first; i >= 0 && i < len(c.spellings) {
		line, _, _ := strings.Cut(head, " HTTP/1.1\r\n")
		_, target, _ := strings.Cut(line, " ")
		c.spellings[i].on, c.spellings[i].arrived, c.spellings[i].head = on, target, head
	}
}

func (c *recorder) listen(t *testing.T, name routes.Upstream) (address string) {
	t.Helper()
	return testkit.Listen(t, func(conn net.Conn) { c.serve(conn, name) })
}

func (c *recorder) serve(conn net.Conn, name routes.Upstream) {
	reader := bufio.NewReader(conn)
	for {
		head, err := readHead(reader)
		if err != nil {
			return
		}
		if !strings.Contains(head, " HTTP/1.1\r\n") {
			continue // the last chunk of an empty body, which arrives after the answer
		}
		if _, number, ok := strings.Cut(head, "\r\nX-Spelling: "); ok {
			number, _, _ = strings.Cut(number, "\r\n")
			n, _ := strconv.Atoi(number)
			c.record(n, name, head)
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
			return
		}
	}
}

var spellingsOfEach = flag.Int("spellings", 0, "how many spellings of each closed path to send over each protocol (0: fewer)")

// TestNoSpellingReachesWhatIsClosed sends spellings of the closed paths over HTTP/1.1,
// HTTP/2 and HTTP/3 (fewer with the race detector), and looks at what arrives through the
// eyes of many servers.
func TestNoSpellingReachesWhatIsClosed(t *testing.T) {
	for name, env := range map[string]config.Environ{
		"at the root":  {},
		"under a path": {"BASE_PATH": "/tale", "HTTP_ACTIONS_UPSTREAM": "site-port"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &recorder{}
			for variable, name := range map[string]routes.Upstream{
				"CONVEX_UPSTREAM": routes.Backend, "CONVEX_SITE_UPSTREAM": routes.SitePort, "DASHBOARD_UPSTREAM": routes.Dashboard, "PLATFORM_UPSTREAM": routes.Platform,
				"METRICS_CRAWLER_UPSTREAM": routes.Crawler, "METRICS_RAG_UPSTREAM": routes.RAG, "METRICS_OPERATOR_UPSTREAM": routes.Operator,
			} {
				env[variable] = c.listen(t, name)
			}
			maps.Copy(env, config.Environ{"DASHBOARD_ALLOW": "192.0.2.7", "HTTP3": "on"})
			p := start(t, env)
			for _, protocol := range []protocol{{"HTTP/1.1", true, spellingsHTTP1, p.pipeline}, {"HTTP/2", false, spellingsOther, p.overHTTP2}, {"HTTP/3", false, spellingsOther, p.overHTTP3s}} {
				c.try(t, protocol, env["BASE_PATH"])
			}
		})
	}
}

type protocol struct {
	name  string
	forms bool // a target need not be a path
	count int
	send  func(*recorder)
}

// try sends spellings of all closed paths, or as many of each as the flag says, and
// looks at what arrives.
func (c *recorder) try(t *testing.T, p protocol, base string) {
	t.Helper()
	paths := closedTargets(base)
	batch := len(paths)
	if *spellingsOfEach > 0 {
		batch, p.count = 1, *spellingsOfEach
	}
	s := newSpeller(uint64(p.count))
	sent, arrived, would := 0, 0, 0
	for some := range slices.Chunk(paths, batch) {
		c.expect(s.closed(some, p.count, p.forms))
		p.send(c)
		sent += p.count
		came, direct := c.judge(t, p.name, base)
		arrived, would = arrived+came, would+direct
	}
	t.Logf("%s: %d spellings of %d paths, %d arrived; of %d looked at, %d would be metrics to some server", p.name, sent, len(paths), arrived, sent/sample, would)
	if arrived < sent/100 || would < sent/sample/100 {
		t.Errorf("%s: the spellings say nothing", p.name)
	}
}

// closedTargets returns each closed path with what lies there, as visitors see it.
func closedTargets(base string) (paths [][2]string) {
	for _, of := range slices.Sorted(maps.Keys(closedPaths)) {
		for _, path := range closedPaths[of] {
			if of == "metrics" {
				paths = append(paths, [2]string{of, base + "/_next/data/B" + path + ".json"}, [2]string{of, base + path + ".data"})
			}
			paths = append(paths, [2]string{of, base + path})
			if base != "" {
				paths = append(paths, [2]string{of, base + base + path}, [2]string{of, base + strings.TrimSuffix(base+path[1:], "/")})
			}
		}
	}
	return paths
}

// closed returns some spellings of each path, with and without an admin key.
func (s *speller) closed(paths [][2]string, count int, forms bool) []spelling {
	all := make([]spelling, 0, count)
	for len(all) < count {
		path := paths[len(all)%len(paths)]
		target := s.spell(path[1])
		if !forms && target[0] != '/' {
			continue // HTTP/2 has no others, and HTTP/3 neither
		}
		all = append(all, spelling{of: path[0], target: target, admin: path[0] == "admin API" || s.IntN(2) == 0})
	}
	return all
}

// isClosed reports whether a server with this path would run a handler that the
// visitor must not reach.
func (s *spelling) isClosed(path string) bool {
	if path = strings.ToLower(strings.TrimRight(path, "/")); path == "" {
		return false
	}
	under := func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }
	switch s.on {
	case routes.Platform, routes.SitePort:
		return under("/metrics")
	case routes.Dashboard:
		return !slices.Contains([]string{"/convex-dashboard/convex-logo-only.svg", "/convex-dashboard/convex-light.svg", "/convex-dashboard/apple-touch-icon.png"}, path)
	case routes.Backend:
		client := slices.Contains([]string{"/api/query", "/api/query_ts", "/api/query_at_ts", "/api/mutation", "/api/action", "/api/function", "/api/debug_event"}, path)
		sync := under("/api") && strings.HasSuffix(path, "/sync") && strings.Count(path, "/") <= 3
		viaApp := strings.Contains(strings.ToLower(percentDecoded(percentDecoded(s.target))), "ws_api") // the sync of the app is open
		open := under("/http") || under("/api/storage") || under("/api/actions") || client && !s.admin || sync && viaApp
		return !open
	}
	return true // the other servers have nothing but metrics
}

// findings returns the decoders by which a target comes out at a closed handler.
func (s *spelling) findings(target, base string) (found []string) {
	for name, decode := range decoders {
		path := decode(target)
		if s.isClosed(path) {
			found = append(found, name)
		}
		for how, strip := range baseStrippers {
			if stripped := strip(strings.ToLower(path), base); base != "" && s.on == routes.Platform && s.isClosed(stripped) {
				found = append(found, name+", base path off "+how)
			}
		}
	}
	return found
}

const sample = 10 // of the spellings are looked at as if there were no proxy

func (c *recorder) judge(t *testing.T, protocol, base string) (arrived, would int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	faults := 0
	for i, s := range c.spellings {
		if direct := (spelling{on: routes.Platform}); i%sample == 0 && len(direct.findings(strings.TrimPrefix(s.target, base), "")) > 0 {
			would++
		}
		if s.on == "" {
			continue
		}
		arrived++
		if found := s.findings(s.arrived, base); len(found) > 0 {
			if faults++; faults <= 20 {
				t.Errorf("%s, %s: %q arrived at %s as %q, which is closed to %q", protocol, s.of, s.target, s.on, s.arrived, found)
			}
		}
	}
	if faults > 0 {
		t.Errorf("%s: %d of %d arrived where they must not", protocol, faults, len(c.spellings))
	}
	return arrived, would
}

func (s *spelling) header(number int) http.Header {
	header := http.Header{"X-Spelling": {strconv.Itoa(number)}}
	if s.admin {
		header.Set("Authorization", "Convex x|1")
	}
	return header
}

// pipeline writes requests without waiting for answers.
func (p *running) pipeline(c *recorder) {
	requests := make([][]byte, len(c.spellings)) // a writer may be left over
	for i := range c.spellings {
		var request bytes.Buffer
		fmt.Fprintf(&request, "GET %s HTTP/1.1\r\nHost: site.test\r\n", c.spellings[i].target)
		_ = c.spellings[i].header(c.first + i).Write(&request) // into memory
		request.WriteString("\r\n")
		requests[i] = request.Bytes()
	}
	for done := 0; done < len(c.spellings); {
		conn := p.dial(nil)
		_ = conn.SetDeadline(time.Time{})
		go func(from int) {
			out := bufio.NewWriterSize(conn, 32<<10)
			for _, request := range requests[from:] {
				if _, err := out.Write(request); err != nil {
					return
				}
			}
			_ = out.Flush()
		}(done)
		answers := bufio.NewReader(conn)
		before := done
		for done < len(c.spellings) {
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			response, err := http.ReadResponse(answers, nil)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				break // refused in a way that ends the connection
			}
			if err != nil {
				p.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			done++
		}
		_ = conn.Close()
		if done == before {
			p.Fatalf("no answer to %q", c.spellings[done].target)
		}
	}
}

// whole returns an address whose path and query are as they were, unless its path has
// bytes that url.URL escapes.
func whole(u *url.URL) *url.URL {
	raw, query, _ := strings.Cut(u.Opaque, "?")
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: percentDecoded(raw), RawPath: raw, RawQuery: query}
}

func (p *running) overHTTP2(c *recorder) {
	client := p.newClient()
	transport := client.Transport.(*http.Transport)
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP2(true)
	p.concurrently(c, client.Transport)
}

func (p *running) overHTTP3s(c *recorder) { p.concurrently(c, p.overHTTP3(siteName)) }

// concurrently sends the requests in parallel over one connection.
func (p *running) concurrently(c *recorder, transport http.RoundTripper) {
	var workers sync.WaitGroup
	const parallel = 8
	for worker := range parallel {
		workers.Go(func() {
			for i := worker; i < len(c.spellings); i += parallel {
				request, _ := http.NewRequestWithContext(p.Context(), http.MethodGet, p.base(), nil)
				request.URL = &url.URL{Scheme: request.URL.Scheme, Host: request.URL.Host, Opaque: c.spellings[i].target}
				if strings.HasPrefix(request.URL.Opaque, "//") { // which url.URL takes for the name of a host
					request.URL = whole(request.URL)
				}
				request.Header = c.spellings[i].header(c.first + i)
				response, err := transport.RoundTrip(request)
				if err != nil {
					p.Errorf("%s: %v", c.spellings[i].target, err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	workers.Wait()
}
