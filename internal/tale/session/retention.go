package session

import (
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// Unused returns the images of ours that may go: that are of none of the releases to keep
// and of none of these containers, whoever's they are. Of a repository that another project
// here runs images of none goes: which it keeps for its way back is in its folder alone.
func (s *Session) Unused(state rollout.State, containers []engine.Container, r Release, keep int) []engine.Image {
	var used, kept, shared []string
	for _, c := range containers {
		used = append(used, c.ImageID)
		if owner := c.Labels[engine.LabelProject]; owner != "" && owner != s.Project.File.ID {
			shared = append(shared, engine.Repository(c.Image))
		}
	}
	entries, err := s.Project.History()
	if err != nil {
		return nil // it cannot be known what to keep
	}
	releases := KeptReleases(entries, keep)
	for _, entry := range entries {
		if served(entry) && releases[entry.Release] {
			for _, image := range entry.Images {
				kept = append(kept, image.ID)
			}
		}
	}
	for _, image := range state.Images { // what the next deploy would pull again, or cannot
		if slices.ContainsFunc(slices.Collect(maps.Values(r.Images)), image.Is) {
			kept = append(kept, image.ID)
		}
	}
	own := slices.DeleteFunc(repositories(r), func(name string) bool { return slices.Contains(shared, name) })
	return rollout.Unused(state.Images, used, own, kept)
}

// served reports whether an entry is of a release that came to serve.
func served(entry project.Entry) bool { return entry.Result == project.Done && len(entry.Images) > 0 }

// KeptReleases returns the last that served, and so many before it.
func KeptReleases(entries []project.Entry, keep int) map[string]bool {
	releases := map[string]bool{}
	for _, entry := range slices.Backward(entries) {
		if served(entry) && len(releases) <= keep {
			releases[entry.Release] = true
		}
	}
	return releases
}

// repositories returns where the images of the project come from.
func repositories(r Release) []string {
	var names []string
	for _, image := range slices.Sorted(maps.Values(r.Images)) {
		names = append(names, engine.Repository(image))
	}
	return slices.Compact(names)
}
