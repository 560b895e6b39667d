package rollout_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// TestWhatMayGo is of the project's own repositories by all its names, serves nobody and is
// of no release to go back to.
func TestWhatMayGo(t *testing.T) {
	image := func(id string, tags ...string) engine.Image { return engine.Image{ID: id, Tags: tags} }
	images := []engine.Image{
		image("used", "r/tale-platform:3"), image("kept", "r/tale-platform:2"), image("old", "r/tale-platform:1"),
		image("of another", "r/shop:1"), image("of both", "r/tale-platform:0", "r/shop:0"), image("nameless"),
		{ID: "untagged", Digests: []string{"r/tale-platform@sha256:" + strings.Repeat("1", 64)}},
	}
	var may []string
	for _, one := range rollout.Unused(images, []string{"used"}, []string{"r/tale-platform"}, []string{"kept"}) {
		may = append(may, one.ID)
	}
	if want := []string{"old", "untagged"}; !slices.Equal(may, want) {
		t.Errorf("%q may go, want %q", may, want)
	}
}

// TestAContainerOfNoServiceStays: an override may have made it.
func TestAContainerOfNoServiceStays(t *testing.T) {
	others := engine.Container{ID: "x", Name: "p-mailhog", State: engine.State{Status: "running", Running: true}}
	state := rollout.State{Containers: []engine.Container{runs(stack.Convex, "", upToDate), runs(stack.RAG, stack.Blue, upToDate), others}}
	var gone []string
	for _, one := range rollout.NewPlan(state, rollout.Target{Project: "p", Version: "2.0.0", Services: []rollout.Wanted{wanted(stack.Convex)}}).Remove {
		gone = append(gone, one.Name)
	}
	if want := []string{"p-ragblue"}; !slices.Equal(gone, want) {
		t.Errorf("%q go, want %q", gone, want)
	}
}
