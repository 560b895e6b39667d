package deploy_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// legacyHost makes an engine with images of a release, and volumes of the time when their
// names had no id, in a project of that time.
func legacyHost(t *testing.T) (server *enginetest.Server, dir string, environ config.Environ) {
	t.Helper()
	server, dir = enginetest.New(t), t.TempDir()
	line.Run(nil, "", "init", dir, "--services", "db,convex,platform,proxy", "--registry", "r.example/x").Expect(t, 0, "", "")
	for _, service := range []string{"db", "convex", "platform", "proxy"} {
		server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-" + service + ":1.0.0"}, HealthCheck: true})
	}
	server.AddVolume("tale_db-data", nil)
	server.SetHelper(func(_ context.Context, _ string, _ []string, _ io.Reader, out, _ io.Writer) error {
		_, err := fmt.Fprintln(out, `{"State": {"Exists": true, "Bytes": 1, "Files": 1}}`)
		return err
	})
	if err := os.Remove(filepath.Join(dir, ".tale", "migrations.json")); err != nil { // written for a new project alone
		t.Fatal(err)
	}
	server.DockerInPath(t)
	// Nobody listens on these ports, on whatever machine.
	return server, dir, config.Environ{"DOCKER_HOST": server.Host(), "HOME": t.TempDir(), "PUBLISH_HTTP": "1", "PUBLISH_HTTPS": "2"}
}

// A volume of which nothing says whose it is stops a deploy, a dry one as well, until the
// operator says it; --yes does not.
func TestWhoseAVolumeIsHasToBeSaid(t *testing.T) {
	server, dir, environ := legacyHost(t)
	for _, args := range [][]string{{"--yes"}, {"--dry-run"}, {"--migrate-volumes"}} {
		r := line.Run(environ, "", append([]string{"deploy", "--version", "1.0.0", "--project", dir}, args...)...)
		r.Expect(t, exit.Config, "", "tale_db-data: no container that uses it says which folder it is of: --adopt tale_db-data")
	}
	r := line.Run(environ, "", "deploy", "--version", "1.0.0", "--project", dir, "--leave", "tale_db-data", "--dry-run")
	r.Expect(t, exit.Pending, "tale_db-data stays as it is: you have said so", "")
	for said, volume := range map[string]string{
		"--adopt names tale_nope, which no migration asks about: leave it out; they ask about ": "tale_nope",
		"--leave names tale_caddy-data, and there is no such volume":                            "tale_caddy-data",
	} {
		flag, _, _ := strings.Cut(said, " ")
		line.Run(environ, "", "deploy", "--version", "1.0.0", "--project", dir, "--dry-run", "--leave", "tale_db-data", flag, volume).Expect(t, exit.Usage, "", said)
	}
	for _, call := range server.Changes() {
		if strings.Contains(call, "volumes") {
			t.Error(call)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, ".tale", "migrations.json")); err == nil {
		t.Errorf("a dry run has noted %s", text)
	}
}

func TestANewProjectTakesNoVolumesOfOthers(t *testing.T) {
	_, dir, environ := legacyHost(t)
	line.Run(nil, "", "init", filepath.Join(dir, "new"), "--services", "db,convex,platform,proxy", "--registry", "r.example/x").Expect(t, 0, "", "")
	r := line.Run(environ, "", "deploy", "--version", "1.0.0", "--project", filepath.Join(dir, "new"), "--dry-run")
	r.Expect(t, exit.Pending, "tale_db-data stays as it is: this project was made without it", "")
}

// The answer is enough to go on, here to a host without the compose plugin.
func TestOnATerminalItAsksWhoseAVolumeIs(t *testing.T) {
	server, dir, _ := legacyHost(t)
	server.Compose = ""
	t.Setenv("DOCKER_HOST", server.Host())
	server.DockerInPath(t)
	p := line.OnTerminal(t, dir, "deploy", "--version", "1.0.0", "--project", dir)
	p.Until("the question", func() bool {
		return strings.Contains(p.Output.String(), "Are the data in tale_db-data this project's? [y/N] ")
	})
	p.Type("n\n")
	p.Wait()
	testkit.Eventually(t, "it looks at the host", func() bool { return p.Says("compose") && p.Says("cannot deploy on this host") })
}

// Ctrl-C at a question ends the command, also one that has something to take back once it
// is interrupted.
func TestCtrlCEndsAQuestion(t *testing.T) {
	server, dir, _ := legacyHost(t)
	t.Setenv("DOCKER_HOST", server.Host())
	for _, tt := range []struct {
		question string
		args     []string
	}{
		{"project's? [y/N] ", []string{"deploy", "--version", "1.0.0", "--project", dir}},
		{"Host name of the site", []string{"init", filepath.Join(t.TempDir(), "shop")}},
		{"(not shown)", []string{"auth", "reset-owner", "--project", dir}},
	} {
		p := line.OnTerminal(t, dir, tt.args...)
		p.Until("the question", func() bool { return strings.Contains(p.Output.String(), tt.question) })
		p.Type("\x03")
		if code := p.Wait(); code != exit.Interrupted {
			t.Errorf("%v ended with %d: %s", tt.args, code, p.Output.String())
		}
		testkit.Eventually(t, "it says what became of it", func() bool { return strings.Contains(p.Output.String(), "nothing was changed") })
		if said := p.Output.String(); strings.Count(said, "interrupted: ") != 1 {
			t.Errorf("%v said: %s", tt.args, said)
		}
	}
}

// A folder that cannot be written to ends a deploy before anything changes.
func TestAFolderThatCannotBeWrittenTo(t *testing.T) {
	server, dir, environ := legacyHost(t)
	testkit.WriteTree(t, dir, map[string]string{".tale/unfinished.json/in": "the way"}) // for root, too
	r := line.Run(environ, "", "deploy", "--yes", "--version", "1.0.0", "--project", dir, "--leave", "tale_db-data")
	r.Expect(t, exit.Failure, "", "nothing was changed")
	for _, call := range server.Changes() {
		if strings.Contains(call, "networks/create") || strings.Contains(call, "volumes/create") { // the lock has a container

			t.Error(call)
		}
	}
}
