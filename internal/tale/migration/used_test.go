package migration_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/migration"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// copiedHost has volumes that are folders, a finished copy of platform-data, and no container,
// as after tale reset; then the old release has run again.
func copiedHost(t *testing.T) *host {
	t.Helper()
	testkit.RequireRoot(t)
	h := newHost(t)
	h.SetHelper(helper)
	h.subject.Volumes = migration.On(h.engine)
	h.AddVolume("p_platform-data", nil)
	testkit.WriteTree(t, h.Folder("p_platform-data"), map[string]string{"file": "old"})
	first := h.run()
	h.must(first.Apply(t.Context()))
	h.must(first.Done(t.Context()))
	testkit.WriteTree(t, h.Folder("p_platform-data"), map[string]string{"file": "old, and written since"})
	h.AddContainer(enginetest.Container{Name: "p-platform-blue", Image: "old/platform:0.2.33", Project: "p-blue", Service: "platform-blue", Volumes: map[string]string{"/app/data": "p_platform-data"}, Running: true})
	return h
}

// Where the new release has written, too, only the operator knows which of the two counts: its
// data are neither replaced nor removed, and each answer leads on.
func TestACopyThatWasUsedStays(t *testing.T) {
	h := copiedHost(t)
	inCopy := func() string { return testkit.ReadFile(t, filepath.Join(h.Folder("p_convex-data"), "file")) }
	run := h.run() // planned before
	testkit.WriteTree(t, h.Folder("p_convex-data"), map[string]string{"file": "new"})
	testkit.WantError(t, run.Apply(t.Context()), exit.Config, "both have been used since")
	h.must(run.TakeBack(t.Context()))
	h.expect("the copy", inCopy(), "new")
	h.expect("running", h.running(), "p-platform-blue")
	testkit.WantError(t, h.pending().Unclear, exit.Config, "it is a copy of p_platform-data, and both have been used since", "--adopt p_convex-data", "remove p_convex-data first")
	h.subject.Adopt = []string{"p_convex-data"}
	h.expect("pending with --adopt", h.ids(), "")
	h.subject.Adopt = nil
	h.must(h.engine.RemoveVolume(t.Context(), "p_convex-data"))
	run = h.run()
	h.must(run.Apply(t.Context()))
	h.expect("the copy that is made anew", inCopy(), "old, and written since")
}

// A copy that was not used is out of date. It is made anew, and goes with a deploy that fails,
// also where an earlier one was killed before it could note that the copy is whole.
func TestACopyThatWasNotUsedIsMadeAnew(t *testing.T) {
	h := copiedHost(t)
	for _, how := range []string{"a deploy that fails", "one that was killed before"} {
		run := h.run()
		h.must(run.Apply(t.Context()))
		h.expect(how+": the copy", testkit.ReadFile(t, filepath.Join(h.Folder("p_convex-data"), "file")), "old, and written since")
		if how == "one that was killed before" {
			var journal map[string]any
			h.must(json.Unmarshal([]byte(testkit.ReadFile(t, h.subject.Project.Path("migrating.json"))), &journal))
			delete(journal, "whole")
			text, err := json.Marshal(journal)
			h.must(errors.Join(err, h.subject.Project.Write(text, "migrating.json")))
			run = h.run()
			h.must(run.Apply(t.Context()))
		}
		h.must(run.TakeBack(t.Context()))
		h.expect(how+": running", h.running(), "p-platform-blue")
		if _, there := h.volumes()["p_convex-data"]; there {
			t.Errorf("%s: the copy stays, and its source is written to", how)
		}
	}
}

// Half a copy on which a service was started by hand is no data to go on with, nor a reason to name
// the command that frees its source.
func TestHalfACopyThatIsUsedIsAskedFor(t *testing.T) {
	h := newHost(t)
	h.volume("p_platform-data")
	run := h.run()
	h.fail = "copy p_convex-data"
	if run.Apply(t.Context()) == nil {
		t.Fatal("the copy comes to its end")
	}
	h.fail = ""
	h.expect("pending after a kill", h.ids(), split)
	h.service("p", "convex", true, map[string]string{"/app/data": "p_convex-data"})
	testkit.WantError(t, h.pending().Unclear, exit.Config, "p_convex-data", "it is a copy of p_platform-data that was killed before it had all", "--adopt p_convex-data")
	h.subject.Adopt = []string{"p_convex-data"}
	h.expect("pending with --adopt", h.ids(), "")
	run = h.run()
	h.must(run.Apply(t.Context()))
	h.must(run.Done(t.Context()))
	if said := strings.Join(h.said, "\n"); strings.Contains(said, "docker volume rm") {
		t.Error(said)
	}
}

// A copy of a killed run that the operator has said is to stay, as convex has run on it, stays when
// the deploy that was told so fails.
func TestACopyThatIsAdoptedStays(t *testing.T) {
	h := newHost(t)
	h.volume("p_platform-data")
	h.service("p-blue", "platform-blue", true, map[string]string{"/app/data": "p_platform-data"})
	h.must(h.run().Apply(t.Context()))
	h.service("p", "convex", true, map[string]string{"/app/data": "p_convex-data"})
	h.must(h.engine.Start(t.Context(), "p-platform-blue"))
	testkit.WantError(t, h.pending().Unclear, exit.Config, "--adopt p_convex-data if the data in it are to stay")
	h.subject.Adopt = []string{"p_convex-data"}
	run := h.run()
	h.must(run.Apply(t.Context()))
	h.subject.Adopt = nil
	h.must(run.TakeBack(t.Context()))
	if _, there := h.volumes()["p_convex-data"]; !there {
		t.Error("what is to stay is removed")
	}
	h.expect("running", h.running(), "p-platform-blue")
}

// TestAStartForDevelopmentKeepsOutOfADeploy that was killed while it migrated: what that has stopped
// and copied is not the start's to end, and what the start migrates is not done in production.
func TestAStartForDevelopmentKeepsOutOfADeploy(t *testing.T) {
	h := newHost(t)
	h.volume("p_platform-data")
	h.service("p-blue", "platform-blue", true, map[string]string{"/app/data": "p_platform-data"})
	h.must(h.run().Apply(t.Context()))
	h.volume("tale_db-data") // of nobody knows which project
	h.volume("p-dev_platform-data")
	h.volume("tale-dev_db-data")
	h.subject.Development, h.subject.Adopt = true, []string{"tale-dev_db-data"}
	start := h.run()
	if start.Unfinished() {
		t.Error("the start has a deploy to finish")
	}
	h.must(start.Apply(t.Context()))
	h.must(start.Done(t.Context()))
	h.subject.Development, h.subject.Adopt = false, nil
	if said := strings.Join(h.said, "\n"); strings.Contains(said, "docker volume rm p_platform-data") || !strings.Contains(said, "docker volume rm p-dev_platform-data") {
		t.Error(said)
	}
	deploy := h.run()
	if !deploy.Unfinished() {
		t.Error("the deploy is forgotten")
	}
	h.expect("pending", h.ids(), "doubt tale_db-data")
	h.must(deploy.Apply(t.Context()))
	h.must(deploy.TakeBack(t.Context()))
	h.expect("running", h.running(), "p-platform-blue")
}
