package tale

import (
	"cmp"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// goBack makes the release an earlier one, and returns the ids of its images.
func (d *deployment) goBack() (map[string]string, error) {
	current, _ := d.state.Current(stack.Platform)
	named := withoutV(d.options.version)
	releases, err := d.project.Releases()
	if err != nil {
		return nil, err
	}
	fits := func(e project.Entry) bool {
		return cmp.Or(named, e.Release) == e.Release && e.Images[stack.Platform].ID != current.ImageID
	}
	if killed, there := d.project.Unfinished(); there && killed.Rollback && named == "" {
		// It may have come to where it was going, which is not yet a step further back.
		fits = func(e project.Entry) bool { return e.Images[stack.Platform].ID == killed.Images[stack.Platform].ID }
	}
	var earlier project.Entry
	found := false
	for _, e := range slices.Backward(releases) {
		if found = fits(e); found {
			earlier = e
			break
		}
	}
	switch {
	case !found && named == "":
		return nil, exit.Errorf(exit.Failure, "there is no earlier release to go back to: `tale history` shows none that served before the present one")
	case !found:
		return map[string]string{}, nil // by its tag, as any deploy
	}
	ids := map[string]string{}
	d.release = d.session.release(earlier.Release)
	for service, image := range earlier.Images {
		if _, there := d.release.images[service]; !there {
			continue
		}
		// As it was then, whatever tale.json names today.
		d.release.images[service], d.release.versions[service] = image.Reference, engine.Tag(image.Reference)
		if slices.ContainsFunc(d.state.Images, func(have engine.Image) bool { return have.ID == image.ID }) {
			ids[service] = image.ID // else it was removed since: by its reference
		}
	}
	d.release.version = earlier.Release
	return ids, nil
}
