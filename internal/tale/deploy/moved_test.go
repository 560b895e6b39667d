package deploy_test

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// An override that leads a service to another place than that of its data leaves them behind with
// a yes alone, whether a container is there or the volume alone; once it has been said, it is not
// asked again.
func TestDataAreNotJustLeftBehind(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	server.DockerInPath(t)
	environ := server.Environ(t)
	run := func(args ...string) line.Result {
		return line.Run(environ, "", append(args, "--project", dir)...)
	}
	override := func(text string) {
		testkit.WriteTree(t, dir, map[string]string{"compose.override.yml": text})
	}
	line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
	server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:1.0.0"}, HealthCheck: true})
	id := taletest.Project(t, dir).File.ID
	for _, name := range []string{"other", "more"} {
		server.AddVolume(name, nil)
	}
	asked := func(text, from, to string) {
		t.Helper()
		override(text)
		r := run("deploy", "--all")
		if want := "the data of db are in " + from + ", and it goes on with what is in " + to + ", if anything"; r.Code != exit.Usage || !strings.Contains(r.Err, want) {
			t.Errorf("%s: exit %d, want %q: %s", text, r.Code, want, r.Err)
		}
	}
	unasked := func(text string, more ...string) {
		t.Helper()
		override(text)
		if r := run(append([]string{"deploy", "--all"}, more...)...); r.Code != 0 || strings.Contains(r.Err, "the data of db are in") != (more != nil) {
			t.Errorf("%s: exit %d: %s", text, r.Code, r.Err)
		}
	}
	environ["TALE_VERSION"] = "1.0.0"
	unasked("volumes: {db-data: {name: other}}") // the first deploy has nothing to leave
	unasked("services: {db: {environment: {A: b}}}\nvolumes: {db-data: {name: other}}")
	asked("", "other", id+"_db-data")
	asked("volumes: {db-data: {external: true, name: more}}", "other", "more")
	asked("services: {db: {volumes: ['more:/var/lib/postgresql/data']}}\nvolumes: {more: {external: true}}", "other", "more")
	asked("services: {db: {volumes: ['./here:/var/lib/postgresql/data']}}", "other", dir+"/here")
	asked("services: {db: {environment: {PGDATA: /var/lib/postgresql/data/17}}}\nvolumes: {db-data: {name: other}}", "other", "other/17")
	unasked("services: {db: {environment: {PGDATA: /var/lib/postgresql/data/17}}}\nvolumes: {db-data: {name: other}}", "--yes")
	unasked("services: {db: {environment: {PGDATA: /var/lib/postgresql/data/17, A: b}}}\nvolumes: {db-data: {name: other}}")
	unasked("", "--yes")
	run("reset", "--all", "--force").Expect(t, 0, "", "")
	asked("volumes: {db-data: {name: other}}", id+"_db-data", "other")
	unasked("")
}
