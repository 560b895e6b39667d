package upstreams

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient/hostile"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func probeOnce(t *testing.T, addr string, path string) verdict {
	t.Helper()
	target, err := parseTarget(path)
	if err != nil {
		t.Fatal(err)
	}
	return newProbeClient(target, "platform", 300*time.Millisecond).probe(t.Context(), netip.MustParseAddrPort(addr))
}

// The address of a Service leads to a pod that is gone for a moment: what was sent there is lost,
// and the next connection is not.
func TestAProbeThatHangsIsTriedAgain(t *testing.T) {
	at := netip.MustParseAddrPort(testkit.SilentAddress(t))
	ctx, stop := context.WithCancel(t.Context())
	var probing sync.WaitGroup
	probing.Go(func() { newProbeClient(target{path: "/version"}, "convex", time.Hour).probe(ctx, at) })
	testkit.Eventually(t, "a second connection is tried beside the first", func() bool { return testkit.Knocking(t, at.Port()) > 1 })
	stop()
	probing.Wait()
}

// A status port marks its answers; what answers in its place without the mark is not one.
func TestAProbeAnsweredBySomethingElse(t *testing.T) {
	for _, marked := range []bool{false, true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if marked {
				w.Header().Set(health.VersionHeader, "")
			}
		}))
		defer server.Close()
		address := server.Listener.Addr().String()
		_, port, _ := net.SplitHostPort(address)
		if v := probeOnce(t, address, ":"+port+"/readyz"); v.outcome != passed || v.foreign == marked {
			t.Errorf("marked %t: %+v", marked, v)
		}
		if v := probeOnce(t, address, "/readyz"); v.foreign {
			t.Error("a path of the application is taken for a status port")
		}
	}
}

// Where the upstream's name leads to convex, the port of requests is open and the status port is well.
func TestAProbeAnsweredByConvex(t *testing.T) {
	for service, want := range map[string]outcome{"convex": failed, "platform": passed, "": passed} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(health.VersionHeader, "1.0.0")
			w.Header().Set(health.ServiceHeader, service)
		}))
		defer server.Close()
		address := server.Listener.Addr().String()
		_, port, _ := net.SplitHostPort(address)
		if v := probeOnce(t, address, ":"+port+"/readyz"); v.outcome != want || (v.reason == "the status port there is that of convex, which is no web application") != (want == failed) {
			t.Errorf("%q: %+v", service, v)
		}
		if v := probeOnce(t, address, "/readyz"); v.outcome != passed {
			t.Errorf("%q: a path of the application is taken for a status port", service)
		}
	}
}

func TestVerdicts(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		outcome outcome
		reason  string
	}{
		{"200", func(http.ResponseWriter, *http.Request) {}, passed, ""},
		{"204 is not 200", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, failed, "status 204"},
		{"503", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, failed, "status 503"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://site.test/login?token=x", http.StatusFound)
		}, failed, "status 302: redirects to https://site.test"},
		{"connection broken", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, failed, "the server closed the connection before the answer was complete"},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, timedOut, "it accepts connections and does not answer in 300ms"},
		{"endless body", func(w http.ResponseWriter, _ *http.Request) {
			for chunk := strings.Repeat("x", 4096); ; {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}, passed, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handler)
			defer server.Close()
			v := probeOnce(t, server.Listener.Addr().String(), "/health")
			if v.outcome != tt.outcome || v.reason != tt.reason {
				t.Errorf("got %v, %q", v.outcome, v.reason)
			}
			if !v.connected {
				t.Error("the connection was not noticed")
			}
		})
	}
}

func TestAProbeEndsWhateverTheAddressDoes(t *testing.T) {
	target, err := parseTarget("/health")
	if err != nil {
		t.Fatal(err)
	}
	client := newProbeClient(target, "platform", time.Hour)
	hostile.Try(t, probeBodyLimit, func(ctx context.Context, url string) {
		client.probe(ctx, netip.MustParseAddrPort(strings.TrimPrefix(url, "http://")))
	})
}

func TestVerdictOfNoConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	v := probeOnce(t, addr, "/health")
	if v.outcome != failed || v.reason != "connect: connection refused" || v.connected {
		t.Errorf("got %+v", v)
	}
}

func TestProbeIsItsOwnRequestOnItsOwnConnection(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "platform" || r.URL.String() != "/health?quick=1" || !r.Close {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	target, err := parseTarget("/health?quick=1")
	if err != nil {
		t.Fatal(err)
	}
	client := newProbeClient(target, "platform", time.Second)
	for range 3 {
		if v := client.probe(t.Context(), netip.MustParseAddrPort(server.Listener.Addr().String())); v.outcome != passed {
			t.Fatalf("got %v", v)
		}
	}
	if n := connections.Load(); n != 3 {
		t.Errorf("%d connections for 3 probes", n)
	}
}

func TestProbeDoesNotUseTheEnvironmentsProxy(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	if v := probeOnce(t, server.Listener.Addr().String(), "/"); v.outcome != passed {
		t.Errorf("got %v", v)
	}
}

func TestAnswerThatIsNotHTTP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = bufio.NewReader(conn).ReadString('\n')
		_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH\r\n")
	}()
	if v := probeOnce(t, listener.Addr().String(), "/"); v.outcome != failed {
		t.Errorf("got %v", v)
	}
}

func TestBootTime(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for body, want := range map[string]time.Time{
		`{"started":"2026-01-02T10:00:00Z"}`:             now.Add(-2 * time.Hour),
		`{"uptime":60.5}`:                                now.Add(-60500 * time.Millisecond),
		`{"started":"2026-01-02T11:00:00Z","uptime":60}`: now.Add(-time.Hour),
		`{"started":"yesterday"}`:                        {},
		`{"status":"ok"}`:                                {},
		`OK`:                                             {},
		``:                                               {},
	} {
		if got := bootTime([]byte(body), now); !got.Equal(want) {
			t.Errorf("%s: got %v", body, got)
		}
	}
}
