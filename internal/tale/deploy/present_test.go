package deploy_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack/postgres/postgrestest"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// shopOf makes a project whose web application serves 1.1.0, on an engine that has 1.0.0 as well,
// and returns what runs a command in it.
func shopOf(t *testing.T) (server *enginetest.Server, dir string, tale func(args ...string) line.Result) {
	t.Helper()
	server, dir = enginetest.New(t), t.TempDir()
	server.DockerInPath(t)
	environ := server.Environ(t)
	tale = func(args ...string) line.Result {
		return line.Run(environ, "", append(args, "--yes", "--project", dir)...)
	}
	tale("init", "--services", "db,convex,platform", "--registry", "r.example/x").Expect(t, 0, "", "")
	for _, version := range []string{"1.0.0", "1.1.0"} {
		for _, service := range []string{"db", "convex", "platform"} {
			server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-" + service + ":" + version}, HealthCheck: true})
		}
	}
	tale("deploy", "--version", "1.1.0").Expect(t, 0, "", "")
	return server, dir, tale
}

// A release that may not read the present data is not started on them, unless that is said.
func TestADeployOnDataOfANewerRelease(t *testing.T) {
	server, _, tale := shopOf(t)
	before := taletest.Standing(t, server)
	tale("deploy", "--version", "1.0.0").Expect(t, exit.Config, "", "--accept-data-loss")
	tale("deploy", "--version", "1.0.0", "--dry-run").Expect(t, exit.Config, "", "--accept-data-loss")
	if after := taletest.Standing(t, server); !slices.Equal(after, before) {
		t.Errorf("there was %q and is %q", before, after)
	}
	tale("deploy", "--version", "1.0.0", "--accept-data-loss").Expect(t, 0, "", "")
}

// TestAPlanWithAPasswordThatTheVolumeDoesNotHave ends as the deploy would.
func TestAPlanWithAPasswordThatTheVolumeDoesNotHave(t *testing.T) {
	server, dir, tale := shopOf(t)
	postgres := postgrestest.Start(t, func(f *postgrestest.Server) { f.Refuse = postgrestest.Refuse("28P01", "falsches Passwort") })
	server.SetHelper(func(_ context.Context, _ string, _ []string, in io.Reader, out, _ io.Writer) error {
		return engine.Helper([]string{"dial", postgres.Addr()}, in, out)
	})
	env := filepath.Join(dir, ".env")
	testkit.WriteTree(t, dir, map[string]string{".env": testkit.ReadFile(t, env) + "\nDB_PASSWORD=another\n"})
	before := taletest.Standing(t, server)
	for _, way := range []string{"--dry-run", "--quiet"} {
		tale("deploy", "--version", "1.1.0", "--all", way).Expect(t, exit.Config, "", "the DB_PASSWORD of .env is not that of user")
	}
	if after := taletest.Standing(t, server); !slices.Equal(after, before) {
		t.Errorf("there was %q and is %q", before, after)
	}
}

// Nor is any on data of two moments.
func TestADeployAfterAKilledRestore(t *testing.T) {
	server, dir, tale := shopOf(t)
	testkit.WriteTree(t, dir, map[string]string{".tale/restoring.json": `{"file": "b.tar", "run": "1", "stopped": []}`})
	before := taletest.Standing(t, server)
	tale("deploy", "--version", "1.1.0").Expect(t, exit.Config, "", "`tale restore b.tar` finishes it")
	tale("deploy", "--version", "1.1.0", "--dry-run").Expect(t, 0, "a deploy is refused: a restore was killed", "")
	tale("status").Expect(t, exit.Degraded, "`tale restore b.tar` finishes it", "")
	tale("doctor").Expect(t, exit.Failure, "`tale restore b.tar` finishes it", "")
	if after := taletest.Standing(t, server); !slices.Equal(after, before) {
		t.Errorf("there was %q and is %q", before, after)
	}
}

// What would keep it from being finished is refused, or said how to mend; nothing of it is left
// where its data are gone.
func TestAKilledRestoreCanBeLeft(t *testing.T) {
	_, dir, tale := shopOf(t)
	testkit.WriteTree(t, dir, map[string]string{".tale/restoring.json": `{"file": "b.tar", "run": "1", "stopped": []}`})
	tale("reset", "--all", "--force").Expect(t, exit.Config, "", "restoring.json, and --volumes removes the data as well")
	tale("stop").Expect(t, 0, "", "")
	p := taletest.Project(t, dir)
	tale("backup", filepath.Join(dir, "b.tar")).Expect(t, exit.Config, "", "`docker start "+p.File.ID+"-db` starts it")
	tale("reset", "--all", "--force", "--volumes", "--project-name", p.File.ID).Expect(t, 0, "", "")
	testkit.WriteTree(t, dir, map[string]string{".tale/restoring.json": `{"file": "b.tar", "run": "1", "stopped": []}`})
	tale("reset", "--all", "--force", "--volumes", "--project-name", p.File.ID).Expect(t, 0, "", "nothing to do")
	tale("deploy", "--version", "1.1.0").Expect(t, 0, "", "version 1.1.0 serves, done at ")
}

// What a restore could not start is forgotten once a deploy has, and not where one is only planned.
func TestADeployForgetsWhatItHasStarted(t *testing.T) {
	_, dir, tale := shopOf(t)
	note := filepath.Join(dir, ".tale", "restoring.json")
	for _, tt := range []struct {
		forgets bool
		args    []string
	}{
		{false, []string{"deploy", "--version", "1.1.0", "--dry-run"}}, {false, []string{"deploy", "--version", "9.9.9"}}, {true, []string{"deploy", "--version", "1.1.0"}}, {true, []string{"deploy", "--version", "1.1.0"}},
	} {
		testkit.WriteTree(t, dir, map[string]string{".tale/restoring.json": `{"file": "b.tar", "run": "1", "stopped": ["x"], "restored": true}`})
		said := tale(tt.args...)
		if _, err := os.Stat(note); os.IsNotExist(err) != tt.forgets {
			t.Errorf("%q: the note is gone: %v\n%s%s", tt.args, os.IsNotExist(err), said.Out, said.Err)
		}
	}
}

// What served before is on the engine, whatever its name is by now and whatever has become of
// the registry.
func TestARollbackNeedsNoRegistry(t *testing.T) {
	server, _, tale := shopOf(t)
	former := server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-platform:1.1.1"}, HealthCheck: true})
	tale("deploy", "--version", "1.1.1").Expect(t, 0, "", "")
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-platform:1.1.2"}, HealthCheck: true})
	tale("deploy", "--version", "1.1.2").Expect(t, 0, "", "")
	former.Tags = []string{"r.example/x/tale-platform:another"}
	server.AddImage(former)
	before := len(server.Calls())
	tale("rollback").Expect(t, 0, "", "version 1.1.1 serves")
	for _, call := range server.Calls()[before:] {
		if strings.Contains(call, "/distribution/") || strings.Contains(call, "fromImage") {
			t.Errorf("it asks a registry: %s", call)
		}
	}
	if all := taletest.Standing(t, server); !slices.ContainsFunc(all, func(c string) bool { return strings.Contains(c, "platform-green") }) {
		t.Errorf("%q", all)
	}
}

// A rollback that is killed behind its entry in the history has told nobody that it is done: the
// same command says so, and goes no step further back. The next one does.
func TestARollbackIsDoneWhenItHasSaidSo(t *testing.T) {
	server, dir, tale := shopOf(t)
	for _, version := range []string{"1.1.1", "1.1.2"} {
		server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-platform:" + version}, HealthCheck: true})
		tale("deploy", "--version", version).Expect(t, 0, "", "")
	}
	tale("rollback").Expect(t, 0, "", "version 1.1.1 serves")
	p := taletest.Project(t, dir)
	if note, there := p.Unfinished(); there {
		t.Errorf("a note is left: %+v", note)
	}
	before, err := p.History()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Begin(before[len(before)-1]); err != nil { // as if it had been killed before it removed that
		t.Fatal(err)
	}
	tale("rollback").Expect(t, 0, "", "nothing to do: version 1.1.1 serves")
	if after, err := p.History(); len(after) != len(before) || err != nil {
		t.Errorf("%d entries, %d before, %v", len(after), len(before), err)
	}
	tale("rollback").Expect(t, 0, "", "version 1.1.0 serves")
}

// Neither --yes nor --force stands for the project's id where data would go.
func TestDataGoByTheProjectsIDAlone(t *testing.T) {
	server, dir, tale := shopOf(t)
	before := taletest.Standing(t, server)
	for _, tt := range []struct {
		says string
		args []string
	}{
		{"give it with --project-name", []string{"reset", "--all", "--volumes", "--force"}},
		{`--project-name is "another-1"`, []string{"reset", "--all", "--volumes", "--force", "--project-name", "another-1"}},
		{`--project-name is "another-1"`, []string{"restore", filepath.Join(dir, "tale.json"), "--project-name", "another-1"}},
	} {
		tale(tt.args...).Expect(t, exit.Usage, "", tt.says)
	}
	if after := taletest.Standing(t, server); !slices.Equal(after, before) {
		t.Errorf("there was %q and is %q", before, after)
	}
}
