package teardown_test

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
)

// TestResetOfTheDevelopmentStack: all of it goes, with its data where that was said, and
// nothing of the stack in production, nor of a project whose id is as long.
func TestResetOfTheDevelopmentStack(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	line.Run(nil, "", "init", dir, "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
	p := taletest.Project(t, dir)
	id := p.File.ID
	environ := server.Environ(t)
	ours := map[string]string{} // names by what a request to remove them ends with
	for _, name := range []string{id, id + "-dev", id + "-developer"} {
		labels := map[string]string{engine.LabelProject: name}
		container := server.AddContainer(enginetest.Container{Name: name + "-db", Image: "r.example/x/tale-db:1.0.0", Project: name, Service: "db", Labels: labels, Running: true})
		server.AddVolume(name+"_db-data", labels)
		ours[container], ours[name+"_db-data"] = name+"-db", name+"_db-data"
	}
	reset := func(args ...string) line.Result {
		return line.Run(environ, "", append([]string{"reset", "--project", dir}, args...)...)
	}
	reset("--dev", "--all", "--force").Expect(t, exit.Usage, "", "exclude each other")
	reset("--dev").Expect(t, exit.Usage, "", "1 container would be removed; agree with --yes")
	reset("--dev", "--volumes", "--force").Expect(t, exit.Usage, "", "--project-name "+id)
	removed := func() (names []string) {
		for _, call := range server.Changes() {
			if name := ours[path.Base(call)]; name != "" && strings.HasPrefix(call, "DELETE ") {
				names = append(names, name)
			}
		}
		return names
	}
	if got := removed(); len(got) > 0 {
		t.Fatalf("refused, and removed %v", got)
	}
	reset("--dev", "--force").Expect(t, 0, "", id+"-dev-db is removed")
	reset("--dev", "--volumes", "--project-name", id, "--yes").Expect(t, 0, "", "the volume "+id+"-dev_db-data is removed")
	reset("--dev", "--yes").Expect(t, 0, "", "nothing to do")
	if diff := cmp.Diff([]string{id + "-dev-db", id + "-dev_db-data"}, removed()); diff != "" {
		t.Error(diff)
	}
}
