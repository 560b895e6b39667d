package deploy_test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// lockedStack makes a project with a database that runs, and the lock of another host on it.
func lockedStack(t *testing.T) (server *enginetest.Server, dir string, environ config.Environ, e *engine.Engine, held *engine.Hold) {
	t.Helper()
	server, dir = enginetest.New(t), t.TempDir()
	server.DockerInPath(t)
	environ = server.Environ(t)
	line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
	for _, version := range []string{"1.0.0", "1.0.1"} {
		server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:" + version}, HealthCheck: true})
	}
	line.Run(environ, "", "deploy", "--yes", "--version", "1.0.0", "--project", dir).Expect(t, 0, "", "")
	p := taletest.Project(t, dir)
	e = server.Connect(t, engine.Options{})
	held, err := e.HoldLock(t.Context(), p.File.ID, map[string]string{"dev.tale.holder": "ann at another host"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(held.Release)
	return server, dir, environ, e, held
}

// What another host does to a project on the same engine keeps every command from changing it, but
// not from looking.
func TestAnotherHostHasTheLock(t *testing.T) {
	server, dir, environ, _, _ := lockedStack(t)
	before := taletest.Standing(t, server)
	for _, args := range [][]string{
		{"deploy", "--yes", "--all", "--version", "1.0.1"},
		{"backup", filepath.Join(dir, "b.tar")},
		{"restore", filepath.Join(dir, "tale.json")},
		{"stop"},
		{"reset", "--force", "--all"},
		{"cleanup", "--yes", "--keep", "0"},
	} {
		r := line.Run(environ, "", append(args, "--project", dir)...)
		if r.Code != exit.Temporary || !strings.Contains(r.Err, "locked by ann at another host") {
			t.Errorf("%v: exit %d, %q", args, r.Code, r.Err)
		}
		r = line.Run(environ, "", append(args, "--json", "--project", dir)...)
		var result struct {
			Kind, Text string
			ExitCode   int
		}
		if err := json.Unmarshal([]byte(r.Out), &result); err != nil || result.Kind != "result" || result.ExitCode != r.Code || !strings.Contains(result.Text, "locked by ann") {
			t.Errorf("%v as JSON: %v, exit %d, %q", args, err, r.Code, r.Out)
		}
	}
	if after := taletest.Standing(t, server); !slices.Equal(after, before) {
		t.Errorf("there was %q and is %q", before, after)
	}
	line.Run(environ, "", "deploy", "--all", "--dry-run", "--version", "1.0.1", "--project", dir).Expect(t, exit.Pending, "", "")
}

// What the other host has done while a deploy waited for its lock is not done again.
func TestAPlanIsMadeUnderTheLock(t *testing.T) {
	server, dir, environ, e, held := lockedStack(t)
	p := taletest.Project(t, dir)
	db := p.File.ID + "-db"
	if err := e.Stop(t.Context(), db, 0); err != nil {
		t.Fatal(err)
	}
	asked := func() int { return len(server.Changes()) }
	before, ended := asked(), make(chan line.Result)
	go func() {
		ended <- line.Run(environ, "", "deploy", "--yes", "--version", "1.0.0", "--wait", "--project", dir)
	}()
	testkit.Eventually(t, "it asks for the lock", func() bool { return asked() > before })
	if err := e.Start(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	held.Release()
	(<-ended).Expect(t, 0, "", "nothing to do")
}

// A restore that another host has begun while a deploy waited for the lock, and that was killed, keeps
// it from starting anything.
func TestARestoreIsKilledBeforeADeployHasTheLock(t *testing.T) {
	server, dir, environ, e, held := lockedStack(t)
	p := taletest.Project(t, dir)
	before, ended := taletest.Standing(t, server), make(chan line.Result)
	asked := len(server.Changes())
	go func() {
		ended <- line.Run(environ, "", "deploy", "--yes", "--all", "--version", "1.0.1", "--wait", "--project", dir)
	}()
	testkit.Eventually(t, "it asks for the lock", func() bool { return len(server.Changes()) > asked })
	labels := engine.Owned(p.File.ID)
	labels["dev.tale.restoring"] = `{"file": "b.tar", "run": "1"}`
	if err := e.CreateVolume(t.Context(), p.File.ID+"_restoring", labels); err != nil {
		t.Fatal(err)
	}
	held.Release()
	(<-ended).Expect(t, exit.Config, "", "`tale restore b.tar` finishes it")
	if after := taletest.Standing(t, server); !slices.Equal(after, before) {
		t.Errorf("there was %q and is %q", before, after)
	}
}

// A deploy whose lock ends, as with a connection that is cut, is taken back as at an interrupt.
func TestALockThatIsLostEndsADeploy(t *testing.T) {
	server, dir, environ, _, held := lockedStack(t)
	held.Release()
	p := taletest.Project(t, dir)
	server.SetLife("r.example/x/tale-db:1.0.1", enginetest.Life{Healthy: -1})
	before, ended := len(server.Changes()), make(chan line.Result)
	go func() {
		ended <- line.Run(environ, "", "deploy", "--yes", "--all", "--version", "1.0.1", "--timeout", "20s", "--project", dir)
	}()
	testkit.Eventually(t, "the database is replaced", func() bool {
		return slices.ContainsFunc(server.Changes()[before:], func(call string) bool {
			return strings.Contains(call, "compose") || strings.HasSuffix(call, p.File.ID+"-db/start")
		})
	})
	server.Die(p.File.ID+"-tale-lock", 137, false)
	(<-ended).Expect(t, exit.Unavailable, "", "the engine has ended or was restarted")
}
