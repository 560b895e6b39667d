package upstreams

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams/upstreamstest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// rotation is a deployment tool: it replaces one colour by the other.
type rotation struct {
	stage   *stage
	ip      map[*upstreamstest.Service]string
	current *upstreamstest.Service
	next    *upstreamstest.Service
}

func newRotation(t *testing.T, stage *stage) *rotation {
	blue, green := stage.service(t, "blue", blueIP), stage.service(t, "green", greenIP)
	green.Kill()
	stage.dns.Set(alias, blueIP)
	return &rotation{stage: stage, ip: map[*upstreamstest.Service]string{blue: blueIP, green: greenIP}, current: blue, next: green}
}

// swap starts the next colour, which boots badly first, and ends the current one
// by end once the next takes requests.
func (r *rotation) swap(t *testing.T, end func(*upstreamstest.Service)) {
	t.Helper()
	r.next.SetHealth(http.StatusInternalServerError)
	r.stage.dns.Set(alias, r.ip[r.current], r.ip[r.next])
	r.next.Start()
	probes, taken := r.next.Probes(), r.next.Requests()
	testkit.Eventually(t, "the next colour is probed while it boots", func() bool { return r.next.Probes() > probes+2 })
	if n := r.next.Requests() - taken; n > 0 {
		t.Errorf("%s got %d requests while it booted", r.next.Name, n)
	}
	r.next.SetHealth(http.StatusOK)
	testkit.Eventually(t, "the next colour takes requests", func() bool { return r.next.Requests() > taken+10 })
	end(r.current)
	r.stage.dns.Set(alias, r.ip[r.next])
	testkit.Eventually(t, "the old colour is forgotten", func() bool { return len(States()[0].Addresses) == 1 })
	r.current, r.next = r.next, r.current
}

// isUnsafe tells the methods that may have had an effect when their connection
// breaks, so that nobody but the client may send them again.
func isUnsafe(method string) bool { return method == http.MethodPost || method == http.MethodPut }

// drainAndStop sends TERM, with the drain that the platform's entrypoint does: the
// health route says 503 while the service goes on, until nothing comes any more.
func drainAndStop(t *testing.T) func(*upstreamstest.Service) {
	return func(s *upstreamstest.Service) {
		t.Helper()
		s.SetHealth(http.StatusServiceUnavailable)
		quiet := time.Now()
		last := s.Requests()
		testkit.Eventually(t, s.Name+" gets no more requests", func() bool {
			if n := s.Requests(); n != last {
				last, quiet = n, time.Now()
			}
			return time.Since(quiet) > 300*time.Millisecond
		})
		s.Stop()
	}
}

func TestSwitchesWithTermLoseNothing(t *testing.T) {
	stage := newStage(t)
	rotation := newRotation(t, stage)
	load := startLoad(t, runProxy(t, stage.source()), nil)
	for range 3 {
		rotation.swap(t, drainAndStop(t))
	}
	load.finish()
}

func TestSwitchesWithKillLoseNothingThatIsSafe(t *testing.T) {
	stage := newStage(t)
	rotation := newRotation(t, stage)
	load := startLoad(t, runProxy(t, stage.source()), isUnsafe)
	for range 3 {
		rotation.swap(t, (*upstreamstest.Service).Kill)
	}
	load.finish()
}

// TestAContainerThatTakesTheAddressOfAnotherIsNew: also if no lookup has seen the address
// gone. One that is only restarted is no newer than it was.
func TestAContainerThatTakesTheAddressOfAnotherIsNew(t *testing.T) {
	stage := newStage(t)
	blue, green := stage.service(t, "blue", blueIP), stage.service(t, "green", greenIP)
	is := func(s *upstreamstest.Service, instance string) {
		s.SetHealthHeader(http.Header{health.InstanceHeader: {instance}, health.VersionHeader: {"1.0.0"}, health.ColourHeader: {s.Name}})
	}
	is(blue, "a")
	is(green, "b")
	stage.dns.Set(alias, blueIP)
	runProxy(t, stage.source())
	first := func(name string, s *upstreamstest.Service) {
		t.Helper()
		testkit.Eventually(t, name, func() bool {
			for _, a := range States()[0].Addresses {
				if a.Address == s.Addr() {
					return a.First && a.Healthy
				}
			}
			return false
		})
	}
	first("blue serves", blue)
	stage.dns.Set(alias, blueIP, greenIP)
	first("green takes over", green)
	blue.Kill()
	probes := green.Probes()
	blue.Start()
	testkit.Eventually(t, "blue is healthy again", func() bool { return States()[0].Addresses[1].Healthy && green.Probes() > probes+5 })
	first("green stays", green)
	blue.Kill()
	is(blue, "c")
	blue.Start()
	first("the new blue takes over", blue)
}

func TestKillOfTheNewColourFallsBackToTheOldOne(t *testing.T) {
	stage := newStage(t)
	blue, green := stage.service(t, "blue", blueIP), stage.service(t, "green", greenIP)
	stage.dns.Set(alias, blueIP)
	url := runProxy(t, stage.source())
	stage.dns.Set(alias, blueIP, greenIP)
	get := func() string {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return string(body)
	}
	testkit.Eventually(t, "green takes over", func() bool { return get() == "green" })
	green.Kill()
	if got := get(); got != "blue" {
		t.Errorf("right after the kill: %q", got)
	}
	_ = blue
}

func TestRestartOfTheOnlyAddressIsHeld(t *testing.T) {
	stage := newStage(t)
	only := stage.service(t, "convex", blueIP)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Hold = caddy.Duration(5 * time.Second)
	load := startLoad(t, runProxy(t, source), isUnsafe)
	for range 3 {
		taken := only.Requests()
		testkit.Eventually(t, "requests arrive", func() bool { return only.Requests() > taken+20 })
		only.Stop()
		testkit.Eventually(t, "requests are held", func() bool { return probers()[0].counters.held.Load() > 3 })
		only.Start()
	}
	load.finish()
}

func TestPostThatMeetsARestartIsHeldAndSentOnce(t *testing.T) {
	stage := newStage(t)
	only := stage.service(t, "convex", blueIP)
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Hold = caddy.Duration(5 * time.Second)
	url := runProxy(t, source)
	only.Kill()
	answer := make(chan error)
	go func() {
		res, err := http.Post(url, "text/plain", strings.NewReader("pay"))
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK || res.Header.Get("X-Received") != "3" {
				err = fmt.Errorf("status %d, %s bytes received", res.StatusCode, res.Header.Get("X-Received"))
			}
		}
		answer <- err
	}()
	testkit.Eventually(t, "the request is held", func() bool { return probers()[0].counters.held.Load() == 1 })
	only.Start()
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if n := only.Requests(); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// A request that has run for longer than the hold is no less safe to try again.
func TestLongRequestThatBreaksIsTriedAgain(t *testing.T) {
	stage := newStage(t)
	began := make(chan struct{}, 2)
	serve := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			began <- struct{}{}
			if name == "green" {
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, name)
		}
	}
	blue := upstreamstest.NewService(t, "blue", blueIP, stage.port, serve("blue"))
	green := upstreamstest.NewService(t, "green", greenIP, stage.port, serve("green"))
	stage.dns.Set(alias, blueIP)
	source := stage.source()
	source.Hold = caddy.Duration(50 * time.Millisecond)
	url := runProxy(t, source)
	stage.dns.Set(alias, blueIP, greenIP)
	testkit.Eventually(t, "green takes over", func() bool {
		state := States()[0]
		return len(state.Addresses) == 2 && state.Addresses[0].Address == green.Addr() && state.Addresses[0].First
	})
	answer := make(chan string)
	go func() {
		res, err := http.Get(url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		answer <- string(body)
	}()
	<-began
	time.Sleep(200 * time.Millisecond) // longer than the hold
	green.Kill()
	if got := <-answer; got != "blue" {
		t.Errorf("got %q", got)
	}
	_ = blue
}

func TestOutageLongerThanTheBudgetIsAnsweredAtOnce(t *testing.T) {
	stage := newStage(t)
	source := stage.source()
	source.Hold = caddy.Duration(300 * time.Millisecond)
	url := runProxy(t, source)
	status := func() (int, time.Duration) {
		began := time.Now()
		res, err := http.Post(url, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode, time.Since(began)
	}
	testkit.Eventually(t, "answers come at once", func() bool {
		_, took := status()
		return took < 100*time.Millisecond
	})
	if code, _ := status(); code != http.StatusServiceUnavailable {
		t.Errorf("status %d", code)
	}
}

func TestErrorsOfTheApplicationDoNotTakeTheSiteDown(t *testing.T) {
	stage := newStage(t)
	failing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, "application")
	})
	upstreamstest.NewService(t, "blue", blueIP, stage.port, failing)
	stage.dns.Set(alias, blueIP)
	url := runProxy(t, stage.source())
	for i := range 20 {
		path, want := "/", http.StatusOK
		if i%2 == 0 {
			path, want = "/broken", http.StatusInternalServerError
		}
		res, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != want || string(body) != "application" {
			t.Fatalf("request %d: status %d, body %q", i, res.StatusCode, body)
		}
	}
}

func TestOnlySafeRequestsThatBreakAreSentAgain(t *testing.T) {
	stage := newStage(t)
	breaking := http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	service := upstreamstest.NewService(t, "blue", blueIP, stage.port, breaking)
	stage.dns.Set(alias, blueIP)
	url := runProxy(t, stage.source())
	for method, want := range map[string]int{
		http.MethodGet: 1 + maxRetries, http.MethodHead: 1 + maxRetries, http.MethodOptions: 1 + maxRetries,
		http.MethodPost: 1, http.MethodPut: 1, http.MethodDelete: 1, http.MethodPatch: 1,
	} {
		sent := service.Requests()
		req, err := http.NewRequest(method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if n := service.Requests() - sent; n != want || res.StatusCode != http.StatusBadGateway {
			t.Errorf("%s was sent %d times, want %d; status %d", method, n, want, res.StatusCode)
		}
	}
}
