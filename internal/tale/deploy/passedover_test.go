package deploy

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestWhatAnotherFolderPassesOver is said where it brings what served here before, and only there.
func TestWhatAnotherFolderPassesOver(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	for _, release := range []string{"1", "2", "3", "2", "4"} {
		if err := p.Record(ofRelease(release, false)); err != nil {
			t.Fatal(err)
		}
	}
	for serves, want := range map[string]string{
		"4": "", "9": "",
		"1": "1 serves, which another folder has brought again: it is taken to have been gone back to, so that the way back does not lead to 2, 3 and 4, which served here since; tale rollback --version does",
		"2": "2 serves, which another folder has brought again: it is taken to have been gone back to, so that the way back does not lead to 4, which served here since; tale rollback --version does",
		"3": "3 serves, which another folder has brought again: it is taken to have been gone back to, so that the way back does not lead to 4, which served here since; tale rollback --version does",
	} {
		c := engine.Container{Service: stack.Platform, ImageID: serves, Version: serves, State: engine.State{Running: true}}
		d := &deployment{Session: &session.Session{Project: p}, state: rollout.State{Containers: []engine.Container{c}}}
		if note := d.passedOver(); note != want {
			t.Errorf("%s serves: %q, want %q", serves, note, want)
		}
		if serves == "1" { // nothing is left to go back to
			_, err := d.goBack()
			testkit.WantError(t, err, exit.Failure, "there is no earlier release to go back to", want)
		}
	}
}
