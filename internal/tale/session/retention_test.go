package session

import (
	"slices"
	"strings"
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
		if may, notes := s.Unused(state, []engine.Container{uses}, release, 1); len(may) != want || len(notes) != 2-want {
			t.Errorf("beside a container of %q, %v may go, %q", owner, may, notes)
		}
	}
}

// TestImagesOfAnotherProjectByID: a container whose tag is another image's by now, or that was
// made of an id, is shown with that.
func TestImagesOfAnotherProjectByID(t *testing.T) {
	s := &Session{Project: &project.Project{Dir: t.TempDir(), File: project.File{ID: "shop-1"}}}
	release := Release{Images: map[string]string{"db": "r/tale-db:3"}}
	uses := engine.Container{ImageID: "sha256:1", Image: "sha256:1", Labels: map[string]string{engine.LabelProject: "shop-2"}}
	for _, image := range []engine.Image{
		{ID: "sha256:1", Digests: []string{"r/tale-db@sha256:" + strings.Repeat("1", 64)}},
		{ID: "sha256:1", Tags: []string{"r/tale-db:2"}},
	} {
		state := rollout.State{Images: []engine.Image{image, {ID: "old", Tags: []string{"r/tale-db:1"}}, {ID: "older", Tags: []string{"r/tale-db:0"}}}}
		may, notes := s.Unused(state, []engine.Container{uses}, release, 1)
		if want := []string{"images of r/tale-db stay: the project shop-2 uses that repository, too, and may go back to them"}; len(may) > 0 || !slices.Equal(notes, want) {
			t.Errorf("beside %+v, %v may go, %q", image, may, notes)
		}
	}
}

// TestImagesOfTheWayBack: what was rolled back from is not on it, nor what ended at once.
func TestImagesOfTheWayBack(t *testing.T) {
	s := &Session{Project: &project.Project{Dir: t.TempDir(), File: project.File{ID: "shop-1"}}}
	var state rollout.State
	for _, step := range []struct {
		release         string
		rollback, ended bool
	}{{"1", false, false}, {"2", false, false}, {"3", false, true}, {"4", false, false}, {"5", false, false}, {"4", true, false}} {
		state.Images = append(state.Images, engine.Image{ID: step.release, Tags: []string{"r/shop:" + step.release}})
		images := map[string]project.Image{"platform": {ID: step.release}}
		if err := s.Project.Record(project.Entry{Command: "tale", Result: project.Done, Release: step.release, Rollback: step.rollback, Ended: step.ended, Images: images}); err != nil {
			t.Fatal(err)
		}
	}
	may, _ := s.Unused(state, nil, Release{Images: map[string]string{"platform": "r/shop:9"}}, 1)
	var ids []string
	for _, image := range may {
		ids = append(ids, image.ID)
	}
	if slices.Sort(ids); !slices.Equal(slices.Compact(ids), []string{"1", "3", "5"}) {
		t.Errorf("these may go: %q", ids)
	}
}
