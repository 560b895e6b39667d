package deploy

import (
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// TestWhatAnotherFolderPassesOver is said where it brings what served here before, and only there.
func TestWhatAnotherFolderPassesOver(t *testing.T) {
	p := &project.Project{Dir: t.TempDir()}
	for _, release := range []string{"1", "2", "3", "2", "4"} {
		if err := p.Record(ofRelease(release, false)); err != nil {
			t.Fatal(err)
		}
	}
	for serves, want := range map[string][]string{
		"4": nil, "9": nil,
		"1": {"1 serves, which another folder has brought again: it is taken to have been gone back to, so that the way back does not lead to 2, 3 and 4, which served here since; tale rollback --version does"},
		"2": {"2 serves, which another folder has brought again: it is taken to have been gone back to, so that the way back does not lead to 4, which served here since; tale rollback --version does"},
		"3": {"3 serves, which another folder has brought again: it is taken to have been gone back to, so that the way back does not lead to 4, which served here since; tale rollback --version does"},
	} {
		c := engine.Container{Service: stack.Platform, ImageID: serves, Version: serves, State: engine.State{Running: true}}
		d := &deployment{Session: &session.Session{Project: p}, state: rollout.State{Containers: []engine.Container{c}}}
		if notes := d.passedOver(); !slices.Equal(notes, want) {
			t.Errorf("%s serves: %q, want %q", serves, notes, want)
		}
	}
}
