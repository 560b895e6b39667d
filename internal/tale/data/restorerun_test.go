package data

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestARestoreStartsAllThatItHasStopped: also behind one that cannot be started, which the
// same command starts, or that does not become healthy, which it cannot mend. What needs one
// that was not started is not waited for in vain.
func TestARestoreStartsAllThatItHasStopped(t *testing.T) {
	for name, tt := range map[string]struct {
		life  enginetest.Life
		needs int    // Healthy of platform, which needs convex
		fault int    // of starts of convex
		error string // what the engine says of them
		noted bool
		says  string
	}{
		"cannot be started": {enginetest.Life{Healthy: 1}, 1, 1, "the engine goes down", true, "`tale deploy` does"},
		"is lost":           {enginetest.Life{Healthy: 1}, -1, 1, "id already in use", false, "`tale deploy` makes it anew"},
		"has a task":        {enginetest.Life{Healthy: 1}, -1, 1, "task 0123abcd: already exists", false, "`tale deploy` makes it anew"},
		"is not healthy":    {enginetest.Life{Unhealthy: 1}, 1, 0, "", false, "`tale logs convex` says why"},
	} {
		t.Run(name, func(t *testing.T) {
			server, dir := enginetest.New(t), t.TempDir()
			e := server.Connect(t, engine.Options{})
			add := func(service string, life enginetest.Life) string {
				return server.AddContainer(enginetest.Container{Project: "shop", Service: service, Name: service, Image: "x:1", HealthCheck: true, Life: life})
			}
			platform, convex := add("platform", enginetest.Life{Healthy: tt.needs}), add("convex", tt.life)
			r := &restoring{Session: &session.Session{Engine: e, Project: &project.Project{Dir: dir}}, path: "b.tar", options: restoreOptions{timeout: 200 * time.Millisecond}}
			server.AddVolume(dataVolume(r.Project), nil)
			r.note.Stopped = []string{platform, convex}
			if err := r.Project.Write([]byte("{}"), restoringName); err != nil {
				t.Fatal(err)
			}
			server.Fault("POST", "/containers/"+convex+"/start", enginetest.Fault{Status: 500, Message: tt.error}, tt.fault)
			err := r.finish(t.Context())
			if exit.Code(err) != exit.Degraded || !strings.Contains(err.Error(), tt.says) || tt.fault > 0 && strings.Contains(err.Error(), "platform is not healthy") {
				t.Errorf("%d: %v", exit.Code(err), err)
			}
			if c, err := e.Inspect(t.Context(), platform); err != nil || !c.State.Running {
				t.Errorf("platform: %+v, %v", c.State, err)
			}
			_, err = os.Stat(r.Project.Path(restoringName))
			if noted := !errors.Is(err, fs.ErrNotExist); noted != tt.noted {
				t.Errorf("the note is there: %v", noted)
			}
			if !tt.noted {
				return
			}
			if err := Unfinished(t.Context(), r.Session); err != nil {
				t.Errorf("a deploy is kept from starting the rest: %v", err)
			}
			r.options.timeout = time.Minute
			if err := r.finish(t.Context()); err != nil {
				t.Errorf("again: %v", err)
			}
			if c, err := e.Inspect(t.Context(), convex); err != nil || !c.State.Well() {
				t.Errorf("convex: %+v, %v", c.State, err)
			}
		})
	}
}

// TestDocumentsInTheVolume: a stack without a server goes back to its files alone, and does so
// again over what that has kept.
func TestDocumentsInTheVolume(t *testing.T) {
	s := newShop(t)
	env, file := filepath.Join(s.app.Folder, ".env"), s.app.Folder+"/b.tar"
	testkit.WriteTree(t, s.app.Folder, map[string]string{".env": testkit.ReadFile(t, env) + "\nCONVEX_STORAGE=sqlite\n"})
	if err := s.Run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	before := s.Holds()
	for _, how := range []string{"once", "again"} {
		testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"storage/file": "after"})
		if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil {
			t.Fatalf("%s: %v", how, err)
		}
		if now := s.Holds(); now != before {
			t.Errorf("%s: it was\n%s\nand is\n%s", how, before, now)
		}
	}
	s.app.Yes = true
	if err := s.Run(s.app.restoreCommand(), "--discard-old"); err != nil {
		t.Error(err)
	}
}

// TestWhatATakenBackRestoreCannotStart is started by a deploy: the data are as before.
func TestWhatATakenBackRestoreCannotStart(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	opened, _ := s.opened()
	platform, err := opened.Engine.Inspect(t.Context(), "shop-1-platform")
	if err != nil {
		t.Fatal(err)
	}
	before := s.Holds()
	s.Fill("now")
	s.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "no", After: 1}, 1)
	s.Fault("POST", "/containers/"+platform.ID+"/start", enginetest.Fault{Status: 500, Message: "no"}, 1)
	err = s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1")
	if err == nil || !strings.Contains(err.Error(), "the data are as before, and `tale deploy` starts what was stopped") || s.Holds() == before {
		t.Errorf("%v, and there is\n%s", err, s.Holds())
	}
}

// What a restore could not start keeps nothing from going on: neither the restore of another
// backup, which starts it as well.
func TestAnotherRestoreStartsTheRest(t *testing.T) {
	s := newShop(t)
	first, second := s.app.Folder+"/1.tar", s.app.Folder+"/2.tar"
	for _, file := range []string{first, second} {
		if err := s.Run(s.app.backupCommand(), file); err != nil {
			t.Fatal(err)
		}
		s.Fill(file)
	}
	s.restoredButPlatform(first)
	if err := s.Run(s.app.restoreCommand(), second, "--project-name", "shop-1"); err != nil {
		t.Error(err)
	}
	if now := s.Holds(); strings.Contains(now, "runs: false") || !strings.Contains(now, first) {
		t.Errorf("there is\n%s", now)
	}
}
