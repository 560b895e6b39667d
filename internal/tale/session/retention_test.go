package session

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// TestImagesThatAnotherProjectMayGoBackTo stay, which only its folder knows of.
func TestImagesThatAnotherProjectMayGoBackTo(t *testing.T) {
	s := &Session{Project: &project.Project{Dir: t.TempDir(), File: project.File{ID: "shop-1"}}}
	state := rollout.State{Images: []engine.Image{{ID: "old", Tags: []string{"r/tale-db:1"}}, {ID: "older", Tags: []string{"r/shop:1"}}}}
	release := Release{Images: map[string]string{"db": "r/tale-db:3", "platform": "r/shop:3"}}
	for owner, want := range map[string]int{"": 2, "shop-1": 2, "shop-2": 1} {
		uses := engine.Container{ImageID: "new", Image: "r/tale-db:2", Labels: map[string]string{engine.LabelProject: owner}}
		if may := s.Unused(state, []engine.Container{uses}, release, 1); len(may) != want {
			t.Errorf("beside a container of %q, %v may go", owner, may)
		}
	}
}
