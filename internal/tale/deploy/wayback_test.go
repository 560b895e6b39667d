package deploy_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// wayBack is a stack that two folders deploy, a and b, each with a history of its own.
type wayBack struct {
	*testing.T
	*enginetest.Server
	engine *engine.Engine
	id     string
	tale   map[string]func(args ...string) line.Result // by folder
}

// newWayBack returns one on which 1.1.0 serves, deployed from a.
func newWayBack(t *testing.T) *wayBack {
	server, dir, tale := shopOf(t)
	for _, image := range []string{"platform:1.1.1", "platform:1.1.2", "platform:1.1.3", "platform:1.2.0", "convex:1.2.0"} {
		server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-" + image}, HealthCheck: true})
	}
	environ, other := server.Environ(t), t.TempDir()
	for _, name := range []string{"tale.json", ".env"} {
		testkit.WriteTree(t, other, map[string]string{name: testkit.ReadFile(t, filepath.Join(dir, name))})
	}
	return &wayBack{T: t, Server: server, engine: server.Connect(t, engine.Options{}), id: taletest.Project(t, dir).File.ID, tale: map[string]func(args ...string) line.Result{
		"a": tale, "b": func(args ...string) line.Result {
			return line.Run(environ, "", append(args, "--yes", "--project", other)...)
		},
	}}
}

// do takes a step: a folder and the release that it deploys, < for a rollback. With ! the new
// release ends while the one before it drains, with !! for good.
func (w *wayBack) do(step string) line.Result {
	w.Helper()
	release, tale := strings.TrimRight(step[1:], "!"), w.tale[step[:1]]
	args := []string{"deploy", "--version", release}
	if release == "<" {
		args = []string{"rollback"}
	}
	ends := strings.Count(step, "!")
	if ends == 0 {
		return tale(args...)
	}
	old := w.platform(func(c engine.Container) bool { return c.State.Running })
	drains := "/containers/" + old.ID + "/stop"
	w.Fault("POST", drains, enginetest.Fault{Slow: 500 * time.Millisecond}, 1)
	done := make(chan line.Result, 1)
	go func() { done <- tale(args...) }()
	testkit.Eventually(w.T, "the release before drains", func() bool { return slices.Contains(w.Calls(), "POST "+drains) })
	fresh := w.platform(func(c engine.Container) bool { return c.ID != old.ID })
	w.Die(fresh.Name, 9, false)
	if ends == 2 {
		if err := w.engine.Stop(w.Context(), fresh.ID, time.Second); err != nil {
			w.Error(err)
		}
	}
	return <-done
}

// platform returns the container of the web application that a condition fits.
func (w *wayBack) platform(fits func(engine.Container) bool) engine.Container {
	w.Helper()
	for _, colour := range []string{"blue", "green"} {
		if c, err := w.engine.Inspect(w.Context(), w.id+"-platform-"+colour); err == nil && fits(c) {
			return c
		}
	}
	w.Fatal("there is none")
	return engine.Container{}
}

// TestTheWayBackLeadsToWhatServedBefore, whichever folder has deployed it, and not to a release
// that ended as soon as it had visitors.
func TestTheWayBackLeadsToWhatServedBefore(t *testing.T) {
	for _, tt := range []struct {
		steps, want string // the release that a rollback from a leads to
	}{
		{"b1.1.1 a1.1.2", "1.1.1"},
		{"b1.1.1 b1.1.2 a1.1.3 b<", "1.1.0"}, // of b's two, a has seen the last
		{"a1.1.1 a1.1.2!!", "1.1.1"},
		{"a1.1.1! a1.1.2", "1.1.0"},
		{"a1.1.1 a<!!", "1.1.1"},
	} {
		t.Run(tt.steps, func(t *testing.T) {
			w := newWayBack(t)
			for step := range strings.FieldsSeq(tt.steps) {
				want := 0
				if strings.Contains(step, "!") {
					want = exit.Degraded
				}
				w.do(step).Expect(t, want, "", "")
			}
			w.do("a<").Expect(t, 0, "", "version "+tt.want+" serves")
			if now := w.platform(func(c engine.Container) bool { return c.State.Running }); now.Version != tt.want {
				t.Errorf("%s serves, of %s", now.Version, now.Name)
			}
		})
	}
}

// TestAReleaseThatHasEndedMayHaveChangedTheData, although what ran last is older.
func TestAReleaseThatHasEndedMayHaveChangedTheData(t *testing.T) {
	w := newWayBack(t)
	w.do("a1.2.0!!").Expect(t, exit.Degraded, "", "`tale rollback` goes back")
	w.do("a<").Expect(t, exit.Config, "", "cannot go back from 1.2.0 to 1.1.0")
	w.do("a1.1.0").Expect(t, exit.Config, "", "cannot go back from 1.2.0 to 1.1.0")
}
