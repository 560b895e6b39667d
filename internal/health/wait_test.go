package health_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
)

func wait(timeout time.Duration) health.Wait {
	return health.Wait{What: "convex at http://convex:3210", Timeout: timeout, Variable: "CONVEX_WAIT_TIMEOUT"}
}

func TestWaitUntilItAnswers(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 4 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer server.Close()
	var attempts int
	w := wait(10 * time.Second)
	w.OnAttempt = func(n int) { attempts = n }
	prober := health.NewProber()
	err := w.Until(t.Context(), logging.Discard(), func(ctx context.Context) error {
		_, err := prober.Get(ctx, server.URL)
		return err
	})
	if err != nil || attempts != 4 {
		t.Errorf("attempts %d, %v", attempts, err)
	}
}

func TestWaitSaysWhyItGaveUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + listener.Addr().String()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer silent.Close()
	_ = listener.Close()
	wrong := httptest.NewServer(http.NotFoundHandler())
	defer wrong.Close()
	for url, want := range map[string]string{
		refused:                       "(refused)",
		"http://no-such-host.invalid": "(dns)",
		silent.URL:                    "it accepts connections but does not answer (silent)",
		wrong.URL:                     "HTTP status 404",
	} {
		w := wait(300 * time.Millisecond)
		w.TryLimit = 50 * time.Millisecond
		err := w.Until(t.Context(), logging.Discard(), func(ctx context.Context) error {
			_, err := health.NewProber().Get(ctx, url)
			return err
		})
		if exit.Code(err) != exit.Unavailable || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: exit %d, %v", url, exit.Code(err), err)
			continue
		}
		for _, part := range []string{"convex at http://convex:3210", "attempts", "CONVEX_WAIT_TIMEOUT (now 300ms)"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q not in %v", part, err)
			}
		}
	}
}

func TestDeadlineCutsAProbeShort(t *testing.T) {
	w := wait(50 * time.Millisecond)
	w.TryLimit = time.Hour
	latest := time.Now().Add(time.Minute)
	err := w.Until(t.Context(), logging.Discard(), func(ctx context.Context) error {
		if deadline, ok := ctx.Deadline(); !ok || deadline.After(latest) {
			return health.Permanent(fmt.Errorf("it may take until %s", deadline))
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if _, gaveUp := errors.AsType[*health.GaveUpError](err); !gaveUp {
		t.Errorf("got %v", err)
	}
}

func TestWaitEndsOnCancel(t *testing.T) {
	stop := errors.New("SIGTERM")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := wait(time.Minute).Until(ctx, logging.Discard(), func(context.Context) error {
		cancel(stop)
		return errors.New("refused")
	})
	if !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestWaitEndsOnPermanentError(t *testing.T) {
	tries := 0
	err := wait(time.Minute).Until(t.Context(), logging.Discard(), func(context.Context) error {
		tries++
		return health.Permanent(exit.Errorf(exit.NoPermission, "wrong instance"))
	})
	if tries != 1 || exit.Code(err) != exit.NoPermission {
		t.Errorf("%d tries, %v", tries, err)
	}
}

// A connection whose deadline is that of the wait ends by the clock, which may be before
// the context has: what the server has said before is the reason all the same.
func TestAProbeThatTheDeadlineCutsShortSaysNothing(t *testing.T) {
	first := true
	err := wait(50*time.Millisecond).Until(t.Context(), logging.Discard(), func(ctx context.Context) error {
		if first {
			first = false
			return errors.New("it starts up")
		}
		end, _ := ctx.Deadline()
		for time.Now().Before(end) { //nolint:revive // the context must not have the time to notice
		}
		return context.DeadlineExceeded
	})
	if err == nil || !strings.Contains(err.Error(), "it starts up") {
		t.Error(err)
	}
}
