package deploy_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// databaseAlone makes an engine with the image of a database, and a project of that alone; run gives
// a command in it, with more in its environment.
func databaseAlone(t *testing.T, more config.Environ) (server *enginetest.Server, dir string, run func(args ...string) line.Result) {
	t.Helper()
	server, dir = enginetest.New(t), t.TempDir()
	server.DockerInPath(t)
	environ := server.Environ(t)
	maps.Copy(environ, more)
	line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:1.0.0"}, HealthCheck: true})
	return server, dir, func(args ...string) line.Result {
		return line.Run(environ, "", append(args, "--project", dir)...)
	}
}

// A volume that somebody has removed comes back empty with a yes alone; one that tale has
// removed, when it was told to, comes back as in a first deploy.
func TestALostVolumeIsNotJustMadeAnew(t *testing.T) {
	server, dir, run := databaseAlone(t, nil)
	run("deploy", "--version", "1.0.0").Expect(t, 0, "", "")
	run("reset", "--all", "--force").Expect(t, 0, "", "")
	p := taletest.Project(t, dir)
	e := server.Connect(t, engine.Options{})
	volume := p.File.ID + "_db-data"
	server.LoseDriver(volume)
	run("deploy", "--version", "1.0.0", "--yes").Expect(t, exit.Unavailable, "", "cannot look into the volume "+volume)
	if err := e.RemoveVolume(t.Context(), volume); err != nil {
		t.Fatal(err)
	}
	run("deploy", "--version", "1.0.0", "--dry-run").Expect(t, exit.Pending, "the volume "+volume+" is made anew, and empty: the data that the last release had are gone", "")
	run("deploy", "--version", "1.0.0").Expect(t, exit.Usage, "", "is made anew, and empty")
	if err := p.Remember(project.Entry{Command: "tale reset --all --volumes=t", Result: project.Done}); err != nil {
		t.Fatal(err)
	}
	if r := run("deploy", "--version", "1.0.0"); r.Code != 0 || strings.Contains(r.Err, "is made anew") {
		t.Errorf("exit %d, %s", r.Code, r.Err)
	}
}

// TestALostVolumeOfAnOverride is one, too; where the data are in another volume, or a folder of the
// host, none is lost.
func TestALostVolumeOfAnOverride(t *testing.T) {
	server, dir, run := databaseAlone(t, nil)
	override := func(text string) {
		testkit.WriteTree(t, dir, map[string]string{"compose.override.yml": text})
	}
	const more = "services: {db: {volumes: ['more:/var/lib/postgresql/data']}}\nvolumes: {more: {name: other}}"
	override(more)
	run("deploy", "--version", "1.0.0").Expect(t, 0, "", "")
	quietly := func(wants string) {
		t.Helper()
		if r := run("deploy", "--version", "1.0.0", "--all", "--dry-run"); r.Code != exit.Pending || strings.Contains(r.Out, "is made anew") || !strings.Contains(r.Out, wants) {
			t.Errorf("exit %d, want %q: %s", r.Code, wants, r.Out)
		}
	}
	for _, elsewhere := range []string{"", strings.ReplaceAll(more, "other", "third")} {
		override(elsewhere)
		quietly("the data of db are in other,")
	}
	override(more)
	run("reset", "--all", "--force").Expect(t, 0, "", "")
	if err := server.Connect(t, engine.Options{}).RemoveVolume(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	override("services: {db: {volumes: ['./here:/var/lib/postgresql/data']}}")
	quietly("db  is created")
	override(more)
	run("deploy", "--version", "1.0.0").Expect(t, exit.Usage, "", "the volume other is made anew, and empty: the data that the last release had are gone, or elsewhere")
}

// TestARollbackToNothing: where all was removed, the data as well, a rollback would begin an empty
// stack. What was only stopped, or has its data yet, comes up.
func TestARollbackToNothing(t *testing.T) {
	server, dir, tale := shopOf(t)
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-platform:1.1.1"}, HealthCheck: true})
	tale("deploy", "--version", "1.1.1").Expect(t, 0, "", "")
	id := taletest.Project(t, dir).File.ID
	e := server.Connect(t, engine.Options{})

	tale("stop").Expect(t, 0, "", "")
	tale("rollback").Expect(t, 0, "", "version 1.1.0 serves")
	tale("reset", "--all", "--force").Expect(t, 0, "", "")
	tale("rollback").Expect(t, 0, "", "version 1.1.0 serves")
	tale("reset", "--all", "--force").Expect(t, 0, "", "")
	if err := e.RemoveVolume(t.Context(), id+"_db-data"); err != nil {
		t.Fatal(err)
	}
	tale("rollback").Expect(t, 0, "", "version 1.1.0 serves") // by --yes: convex has its data
	tale("reset", "--all", "--volumes", "--force", "--project-name", id).Expect(t, 0, "", "")
	before := len(server.Changes())
	for _, args := range [][]string{{"rollback"}, {"rollback", "--dry-run"}, {"rollback", "--version", "1.1.0"}} {
		tale(args...).Expect(t, exit.Failure, "", "there is nothing to roll back: no platform runs, and "+id+"_db-data and "+id+"_convex-data are gone with the data, so that release 1.1.0 would begin a new stack, and an empty one; `tale deploy --version 1.1.0` does that")
	}
	for _, change := range server.Changes()[before:] {
		if strings.Contains(change, "/volumes/create") || strings.Contains(change, "/networks/create") {
			t.Errorf("it changes something: %s", change)
		}
	}
	tale("deploy", "--version", "1.1.0").Expect(t, 0, "", "version 1.1.0 serves")
}
