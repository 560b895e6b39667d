package platform

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// The message of a boot whose backend does not come up has all that the
// operator needs: the address, the time, the last attempt and what to look at.
func TestBackendThatDoesNotComeUpIsExplained(t *testing.T) {
	url := "http://" + testkit.FreeAddress(t)
	c := start(t, environ(t, url, "CONVEX_WAIT_TIMEOUT=2s"))
	if code := c.Wait(); code != exit.Unavailable {
		t.Errorf("exit code %d", code)
	}
	d := c.status()
	if d.Failure == nil {
		t.Fatal("no failure in the report")
	}
	if want := "cannot reach convex at CONVEX_URL=" + url + ": gave up after "; !strings.HasPrefix(d.Failure.Message, want) {
		t.Errorf("message %q, want %q", d.Failure.Message, want)
	}
	if !strings.Contains(d.Failure.Cause, "connection refused") || !strings.Contains(d.Failure.Cause, "has not opened its port") || d.Failure.Stage != stageWait {
		t.Errorf("failure %+v", d.Failure)
	}
	for _, want := range []string{place.Here().State("convex"), place.Here().Log("convex"), "CONVEX_URL", "raise CONVEX_WAIT_TIMEOUT (now 2s)"} {
		if !slices.ContainsFunc(d.Failure.Fix, func(fix string) bool { return strings.Contains(fix, want) }) {
			t.Errorf("%q is not among %q", want, d.Failure.Fix)
		}
		if !c.Says(want) {
			t.Errorf("%q is not in the log", want)
		}
	}
}

// What the last attempt saw tells an operator where to look.
func TestMeaningOfTheLastAttempt(t *testing.T) {
	answers := func(status int) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	redirect := httptest.NewServer(http.RedirectHandler("https://login.example/in?token=canary", http.StatusPermanentRedirect))
	t.Cleanup(redirect.Close)
	for name, tt := range map[string]struct{ url, want string }{
		"no such host":   {"http://no-such-host.invalid", "no container with that name"},
		"nobody listens": {"http://" + testkit.FreeAddress(t), "has not opened its port"},
		"silence":        {"http://" + silent.Addr().String(), "it accepts connections but does not answer (silent); convex is up and silent"},
		"starting":       {answers(http.StatusServiceUnavailable), "is not ready"},
		"half an answer": {"http://" + testkit.Listen(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1000))
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
			_, _ = c.Read(make([]byte, 1))
		}), "convex is up and silent"},
		"dropped":        {"http://" + testkit.Listen(t, func(c net.Conn) { _ = c.Close() }), "something accepts the connection and drops it"},
		"something else": {answers(http.StatusNotFound), "is no Convex backend"},
		"a redirect":     {redirect.URL, "HTTP status 308: redirects to https://login.example/in; something answers there that is no Convex backend"},
		"no TLS":         {strings.Replace(answers(http.StatusOK), "http:", "https:", 1), "is no Convex backend"},
		"no HTTP": {"http://" + testkit.Listen(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1000))
			_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n")
		}), "is no Convex backend"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			prober := health.NewProber()
			err := health.Wait{What: "it", Timeout: 2 * time.Second, Variable: "X"}.Until(ctx, logging.Discard(), func(ctx context.Context) error {
				_, err := prober.Get(ctx, tt.url)
				return orStranger(err, hostOf(tt.url))
			})
			// What is said of the wait while it lasts says it as well.
			if stranger := strings.Contains(tt.want, "no Convex backend"); stranger != strings.Contains(err.Error(), "let CONVEX_URL name the backend's own port") {
				t.Errorf("the wait says %q", err)
			}
			explained, ok := orUnreachable(err).(*unreachableError)
			if !ok || !strings.Contains(explained.Report().Cause, tt.want) {
				t.Errorf("%v: %+v, want %q", err, explained, tt.want)
			}
			if fix := explained.Report().Fix[0]; strings.Contains(tt.want, "no Convex backend") != strings.HasPrefix(fix, "let CONVEX_URL name the backend's own port") {
				t.Errorf("the first thing to do is %q", fix)
			}
		})
	}
}

// A name of this container's own is no backend that starts.
func TestAnAddressThatLeadsBackHere(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	own, there := netcause.OwnAddress()
	if !there {
		t.Fatal("this machine has the loopback address only")
	}
	_, port, _ := net.SplitHostPort(testkit.FreeAddress(t))
	for host, want := range map[string]bool{"convex": true, own.String(): false, "localhost": false} {
		address := own.String()
		if host == "localhost" {
			address = "127.0.0.1"
		}
		_, refused := health.NewProber().Get(t.Context(), "http://"+net.JoinHostPort(address, port))
		err := orStranger(refused, host)
		if got := strings.Contains(err.Error(), host+" is "+place.Here().Self()+" itself, by a hostname or an alias of it: let CONVEX_URL name"); got != want {
			t.Errorf("%s: %v", host, err)
		}
	}
}
