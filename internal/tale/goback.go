package tale

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	"github.com/Masterminds/semver/v3"

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

// fitsData refuses to go back to a release that may not read the present data. Versions
// that are none say nothing.
func (d *deployment) fitsData() error {
	current, there := d.state.Current(stack.Platform)
	if !d.options.rollback || !there || d.options.loses {
		return nil
	}
	from, wrong := semver.NewVersion(current.Version)
	to, unknown := semver.NewVersion(d.plan.Version)
	readable := wrong != nil || unknown != nil || from.Major() == to.Major() && from.Minor() == to.Minor()
	if readable {
		return nil
	}
	way := "there is no snapshot of before, as `tale deploy --snapshot` takes"
	entries, err := d.project.History()
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(entries) {
		if e.From == d.plan.Version && e.Snapshot != "" {
			way = "`tale restore " + e.Snapshot + "` brings back the data of before, without what has come since"
			break
		}
	}
	return exit.Errorf(exit.Config, "cannot go back from %s to %s on the present data: migrations of the backend and of the app go forward only, and a release of another minor version may not read what the newer one has written; %s, and `tale rollback --accept-data-loss` the code", current.Version, d.plan.Version, way)
}

// takeSnapshot backs the data up, if that was asked for and there are any.
func (d *deployment) takeSnapshot(ctx context.Context) error {
	if !d.options.snapshot {
		return nil
	}
	convex, there := d.state.Current(stack.Convex)
	if !there {
		d.out.Say("there are no data yet to take a snapshot of")
		return nil
	}
	if err := os.MkdirAll(d.project.Path("snapshots"), 0o700); err != nil {
		return err
	}
	began := time.Now()
	path := d.project.Path("snapshots", began.UTC().Format("20060102T150405Z")+"-"+cmp.Or(convex.Version, "unknown")+".tar")
	m, err := d.takeBackup(ctx, path, nil, false, d.out)
	if err != nil {
		return interrupted(ctx, err)
	}
	d.kept = path
	d.out.Say("snapshot " + described(path, m, time.Since(began)))
	return nil
}
