package rollout_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAWebServerThatEndsOnceItIsVisited is started again in its container, again and again.
func TestAWebServerThatEndsOnceItIsVisited(t *testing.T) {
	t.Parallel()
	for ends, want := range map[int]string{0: "", 3: "the web server of platform-green has ended 3 times, last with exit code 3 (`tale logs platform` says why); `tale rollback` goes back"} {
		h := newHost(t)
		h.mustDeploy("1.0.0")
		var visits atomic.Int64
		h.visible = func(context.Context, engine.Container) (*site.Visitor, error) {
			visits.Add(1)
			return nil, nil
		}
		h.SetExec(func(container string, command []string, in string) (string, string, int) {
			if container != "p-platform-green" || !slices.Contains(command, "status") {
				return h.exec(container, command, in)
			}
			restarts := 1 // while it booted
			if visits.Load() > 1 {
				restarts += ends
			}
			return fmt.Sprintf(`{"state": "ready", "children": [{"name": "web", "restarts": %d, "lastExit": "exit code 3"}]}`, restarts), "", 0
		})
		err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
		if want == "" && err != nil {
			t.Error(err)
		} else if want != "" {
			testkit.WantError(t, err, exit.Degraded, want)
		}
	}
}

// TestAReleaseThatEndsOnceItIsVisited has replaced the one before it: that is no success, and
// is said with what goes back. One that is only busy stands.
func TestAReleaseThatEndsOnceItIsVisited(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		backoff int
		happens func(*host, string)
		fallen  bool
	}{
		"it ends":                  {1 << 20, func(h *host, container string) { h.Die(container, 9, false) }, true}, // not started again soon
		"it ends, and comes again": {0, func(h *host, container string) { h.Die(container, 9, false) }, true},
		"it is busy":               {0, func(h *host, container string) { h.Sicken(container) }, false},
		"nothing does":             {0, func(*host, string) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.mustDeploy("1.0.0")
			h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Backoff: tt.backoff})
			h.visible = func(context.Context, engine.Container) (*site.Visitor, error) {
				tt.happens(h, "p-platform-green")
				return nil, nil
			}
			err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
			if tt.fallen {
				testkit.WantError(t, err, exit.Degraded, "platform-green has ended with exit code 9 and is ", "`tale logs platform` says why", "`tale rollback` goes back")
			} else if err != nil {
				t.Error(err)
			}
			if run := h.running(); run != "convex db platform-green proxy" {
				t.Errorf("what runs is %s", run)
			}
		})
	}
}

// once answers the first request by a handler, and any other as a site does.
func once(first http.HandlerFunc) http.HandlerFunc {
	var asked atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			first(w, r)
		}
	}
}

// TestASiteThatIsLostOnceItWasVisited while its processes go on: by the time that the old colour
// is gone it answers no more, or not at once. One that did not answer before either is left alone.
func TestASiteThatIsLostOnceItWasVisited(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after http.HandlerFunc // once the old colour is gone
		never bool             // it did not answer before either
		away  bool             // the engine, once the old colour is gone
		limit time.Duration    // of a request; 0 is a visitor's own
		want  string
	}{
		"it fails":                   {after: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, want: "does not answer as it should: it answers 500"},
		"it hangs":                   {after: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, limit: time.Second, want: "does not answer as it should: "},
		"it hangs once":              {after: once(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })},
		"it fails once":              {after: once(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })},
		"the engine cannot be asked": {after: func(http.ResponseWriter, *http.Request) {}, away: true},
		"it never answered":          {after: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, never: true},
		"it answers":                 {after: func(http.ResponseWriter, *http.Request) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			h.mustDeploy("1.0.0")
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.never || !strings.Contains(h.running(), "blue") {
					tt.after(w, r)
				}
			}))
			t.Cleanup(server.Close)
			h.visible = func(context.Context, engine.Container) (*site.Visitor, error) {
				if tt.away && !strings.Contains(h.running(), "blue") {
					return nil, errors.New("the engine does not answer")
				}
				return site.New(site.Options{URL: server.URL, Limit: tt.limit}), nil
			}
			err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
			if tt.want == "" && err != nil {
				t.Error(err)
			} else if tt.want != "" {
				testkit.WantError(t, err, exit.Degraded, "has failed since it was visited: "+server.URL, tt.want, "`tale logs platform` says why", "`tale rollback` goes back")
			}
			if run := h.running(); run != "convex db platform-green proxy" {
				t.Errorf("what runs is %s", run)
			}
		})
	}
}

// TestASiteWithoutAProxyIsNotVisited, and is not said to answer.
func TestASiteWithoutAProxyIsNotVisited(t *testing.T) {
	t.Parallel()
	h := newHostWith(t, func(h *host) { h.project.File.Services = []string{stack.DB, stack.Convex, stack.Platform} })
	h.mustDeploy("1.0.0")
	i := slices.IndexFunc(h.events, func(e rollout.Event) bool { return e.Stage == "visit" && e.Kind == rollout.Ended })
	if i < 0 || !strings.Contains(h.events[i].Text, "nothing was visited") {
		t.Errorf("%+v", h.events)
	}
}
