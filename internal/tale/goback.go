package tale

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/tidy"
)

// snapshots is the folder in .tale of what deploy --snapshot has backed up.
const snapshots = "snapshots"

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

// fitsData refuses to go back to a release that may not read the present data, be it by
// rollback or by a version that has stayed behind in a file. Versions that are none say
// nothing.
func (d *deployment) fitsData() error {
	current, there := d.state.Current(stack.Platform)
	change, planned := d.plan.Of(stack.Platform)
	if !there || !planned || change.Action == rollout.Keep || d.options.loses || !lower(d.plan.Version, current.Version) {
		return nil
	}
	again := d.command.CommandPath()
	if d.options.version != "" {
		again = console.Quoted(again+" --version", d.options.version)
	}
	way, err := d.dataOf(d.plan.Version)
	if err != nil {
		return err
	}
	if !d.options.rollback && d.options.version == "" {
		way += fmt.Sprintf("; TALE_VERSION=%s in .env keeps the present one", current.Version)
	}
	return exit.Errorf(exit.Config, "cannot go back from %s to %s on the present data: migrations of the backend and of the app go forward only, and a release of another minor version may not read what the newer one has written; `%s --accept-data-loss` goes back all the same, %s", current.Version, d.plan.Version, again, way)
}

// lower reports whether a version has a lower minor or major part than another one.
func lower(version, than string) bool {
	a, wrong := semver.NewVersion(version)
	b, unknown := semver.NewVersion(than)
	return wrong == nil && unknown == nil && (a.Major() < b.Major() || a.Major() == b.Major() && a.Minor() < b.Minor())
}

// dataOf says how the data of a release come back, which a snapshot may have.
func (d *deployment) dataOf(version string) (string, error) {
	entries, err := d.project.History()
	for _, kept := range keptSnapshots(d.project, entries) {
		if kept.of == version {
			return "and `" + console.Quoted("tale restore", kept.Path) + "` then brings back the data of before, without what has come since", err
		}
	}
	return "and there is no snapshot of the data of before, as `tale deploy --snapshot` takes", err
}

// snapshot is a file that the history names, with the data of a release.
type snapshot struct {
	tidy.Snapshot
	of string
}

// keptSnapshots returns those that are there, the last one first. The history says which
// that is, and no clock.
func keptSnapshots(p *project.Project, entries []project.Entry) (kept []snapshot) {
	for _, e := range slices.Backward(entries) {
		path := p.Path(snapshots, filepath.Base(e.Snapshot)) // wherever the folder was then
		if info, gone := os.Stat(path); e.Snapshot != "" && gone == nil {
			kept = append(kept, snapshot{tidy.Snapshot{Path: path, Bytes: info.Size()}, e.From})
		}
	}
	return kept
}

// oldSnapshots returns those that may go: neither the last few, nor the last that has the
// data of a release whose images are kept, which is the way back to it; and what is not
// whole, of runs that were killed.
func (s *session) oldSnapshots(releases, keep int) (old []tidy.Snapshot, err error) {
	entries, err := s.project.History()
	wanted := keptReleases(entries, releases)
	for i, kept := range keptSnapshots(s.project, entries) {
		if i >= keep && !wanted[kept.of] {
			old = append(old, kept.Snapshot)
		}
		delete(wanted, kept.of)
	}
	killed, _ := filepath.Glob(s.project.Path(snapshots, "*"+backup.Partial)) // the pattern is well formed
	for _, path := range killed {
		if info, gone := os.Stat(path); gone == nil {
			old = append(old, tidy.Snapshot{Path: path, Bytes: info.Size()})
		}
	}
	return old, err
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
	if err := os.MkdirAll(d.project.Path(snapshots), 0o700); err != nil {
		return err
	}
	began := time.Now()
	path := dated(d.project.Path(snapshots)+string(filepath.Separator), "-"+cmp.Or(convex.Version, "unknown")+".tar", began)
	d.kept = path
	if err := d.begin(); err != nil { // or else nothing would know the file of a run that is killed
		return err
	}
	m, err := d.takeBackup(ctx, path, nil, false, d.out)
	if err != nil {
		d.kept = ""
		return interrupted(ctx, err)
	}
	d.out.Say("snapshot " + described(path, m, time.Since(began)))
	return nil
}
