package tale_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// lockedStack makes a project with a database that runs, and the lock of another host on it.
func lockedStack(t *testing.T) (server *enginetest.Server, dir string, environ config.Environ) {
	t.Helper()
	server, dir = enginetest.New(t), t.TempDir()
	t.Setenv("PATH", filepath.Dir(server.Docker(t))+":"+os.Getenv("PATH"))
	environ = config.Environ{"DOCKER_HOST": server.Host(), "HOME": t.TempDir()}
	run(t, nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").expect(t, 0, "", "")
	for _, version := range []string{"1.0.0", "1.0.1"} {
		server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:" + version}, HealthCheck: true})
	}
	run(t, environ, "", "deploy", "--yes", "--version", "1.0.0", "--project", dir).expect(t, 0, "", "")
	p, err := project.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Connect(t.Context(), engine.Options{Host: server.Host(), Environ: environ})
	if err != nil {
		t.Fatal(err)
	}
	held, err := e.HoldLock(t.Context(), p.File.ID, map[string]string{"dev.tale.holder": "ann at another host"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Release(); _ = e.Close() })
	return server, dir, environ
}

// What another host does to a project on the same engine keeps every command from changing it, but
// not from looking.
func TestAnotherHostHasTheLock(t *testing.T) {
	server, dir, environ := lockedStack(t)
	before := changes(server)
	for _, args := range [][]string{
		{"deploy", "--yes", "--all", "--version", "1.0.1"},
		{"backup", filepath.Join(dir, "b.tar")},
		{"restore", filepath.Join(dir, "tale.json")},
		{"stop"},
		{"reset", "--force", "--all"},
		{"cleanup", "--yes", "--keep", "0"},
	} {
		r := run(t, environ, "", append(args, "--project", dir)...)
		if r.code != exit.Temporary || !strings.Contains(r.err, "locked by ann at another host") {
			t.Errorf("%v: exit %d, %q", args, r.code, r.err)
		}
	}
	if after := changes(server); !slices.Equal(after, before) {
		t.Errorf("done without the lock: %q", after[len(before):])
	}
	run(t, environ, "", "deploy", "--all", "--dry-run", "--version", "1.0.1", "--project", dir).expect(t, exit.Pending, "", "")
}

// changes returns those of the engine but of helpers, one of which tries to take the lock.
func changes(server *enginetest.Server) []string {
	return slices.DeleteFunc(server.Changes(), func(call string) bool {
		return strings.Contains(call, "containers/create") || strings.Contains(call, "images/create")
	})
}
