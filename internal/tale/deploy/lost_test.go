package deploy_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
)

// A volume that somebody has removed comes back empty with a yes alone; one that tale has
// removed, when it was told to, comes back as in a first deploy.
func TestALostVolumeIsNotJustMadeAnew(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	server.DockerInPath(t)
	environ := server.Environ(t)
	run := func(args ...string) line.Result {
		return line.Run(environ, "", append(args, "--project", dir)...)
	}
	line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:1.0.0"}, HealthCheck: true})
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
	run("deploy", "--version", "1.0.0", "--dry-run").Expect(t, exit.Pending, "the volume "+volume+", in which the last release had its data, is gone", "")
	run("deploy", "--version", "1.0.0").Expect(t, exit.Usage, "", "is made anew and empty")
	if err := p.Remember(project.Entry{Command: "tale reset --all --volumes=t", Result: project.Done}); err != nil {
		t.Fatal(err)
	}
	if r := run("deploy", "--version", "1.0.0"); r.Code != 0 || strings.Contains(r.Err, "is gone") {
		t.Errorf("exit %d, %s", r.Code, r.Err)
	}
}
