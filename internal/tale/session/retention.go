package session

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// Unused returns the images of ours that may go: that are of none of the releases to keep
// and of none of these containers, whoever's they are. Of a repository that another project
// here runs images of none goes: which it keeps for its way back is in its folder alone. The
// notes name those repositories.
func (s *Session) Unused(state rollout.State, containers []engine.Container, r Release, keep int) (unused []engine.Image, notes []string) {
	var used, kept []string
	for _, c := range containers {
		used = append(used, c.ImageID)
	}
	history, err := s.Project.History()
	if err != nil {
		return nil, nil // it cannot be known what to keep
	}
	entries := project.Releases(history)
	releases := KeptReleases(entries, keep)
	for _, entry := range entries {
		if releases[entry.Release] {
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
	shared := s.shared(state.Images, containers)
	for _, image := range rollout.Unused(state.Images, used, repositories(r), kept) {
		stays := false
		for _, repository := range image.Repositories() {
			if owner := shared[repository]; owner != "" {
				stays = true
				notes = append(notes, fmt.Sprintf("images of %s stay: the project %s uses that repository, too, and may go back to them", repository, owner))
			}
		}
		if !stays {
			unused = append(unused, image)
		}
	}
	slices.Sort(notes)
	return unused, slices.Compact(notes)
}

// shared returns the repositories that other projects here run images of, and such a project
// of each. An engine shows an id where the tag has moved on to another image since.
func (s *Session) shared(images []engine.Image, containers []engine.Container) map[string]string {
	shared := map[string]string{}
	for _, c := range containers {
		owner := c.Labels[engine.LabelProject]
		if owner == "" || owner == s.Project.File.ID {
			continue
		}
		shared[engine.Repository(c.Image)] = owner
		if i := slices.IndexFunc(images, func(image engine.Image) bool { return image.ID == c.ImageID }); i >= 0 {
			for _, repository := range images[i].Repositories() {
				shared[repository] = owner
			}
		}
	}
	return shared
}

// KeptReleases returns the present one of the releases that served, and so many to which the way
// back leads.
func KeptReleases(releases []project.Entry, keep int) map[string]bool {
	kept := map[string]bool{}
	for _, release := range slices.Backward(releases) {
		if !release.Ended && len(kept) <= keep {
			kept[release.Release] = true
		}
	}
	return kept
}

// repositories returns where the images of the project come from.
func repositories(r Release) []string {
	var names []string
	for _, image := range slices.Sorted(maps.Values(r.Images)) {
		names = append(names, engine.Repository(image))
	}
	return slices.Compact(names)
}
