package deploy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/data"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// goBack makes the release an earlier one, and returns the ids of its images.
func (d *deployment) goBack() (map[string]string, error) {
	named := session.WithoutV(d.options.version)
	releases, err := d.releases()
	if err != nil {
		return nil, err
	}
	present := d.present(releases)
	earlier, found := before(releases, present)
	killed, there := d.Project.Unfinished()
	switch {
	case named != "":
		earlier, found = last(releases, func(e project.Entry) bool { return e.Release == named && leadsBack(e, present) })
	case there && killed.Rollback:
		// It may have come to where it was going, which is not yet a step further back.
		earlier, found = last(releases, func(e project.Entry) bool { return imageOf(e) == imageOf(killed) })
		if !found { // its image had been removed, and had no id then
			earlier, found = last(releases, func(e project.Entry) bool { return e.Release == killed.Release })
		}
	}
	switch {
	case !found && named == "":
		return nil, exit.Errorf(exit.Failure, "there is no earlier release to go back to: `tale history` shows none that served before the present one%s", d.otherFolder(present))
	case !found && !slices.Contains([]string{"", named}, engine.Tag(d.Project.File.Images[stack.Platform])):
		return nil, fmt.Errorf("`tale history` shows no other release %s that served here, and %w", named, tagIsNamed(d.Project.File.Images[stack.Platform]))
	case !found:
		return map[string]string{}, nil // by its tag, as any deploy
	}
	ids := map[string]string{}
	d.release = d.Release(earlier.Release)
	for service, image := range earlier.Images {
		if _, there := d.release.Images[service]; !there {
			continue
		}
		// As it was then, whatever tale.json names today.
		d.release.Images[service], d.release.Versions[service] = image.Reference, engine.Tag(image.Reference)
		if slices.ContainsFunc(d.state.Images, func(have engine.Image) bool { return have.ID == image.ID }) {
			ids[service] = image.ID // else it was removed since: by its reference
		}
	}
	d.release.Version = earlier.Release
	return ids, nil
}

// present returns the release whose web application serves, or is to: where it has ended for
// good as soon as it had visitors, what ran last is of the release before it. No date says so,
// since the engine's clock may be another one.
func (d *deployment) present(releases []project.Entry) project.Entry {
	current, there := d.state.Current(stack.Platform)
	ran := served(current)
	if n := len(releases); there && n > 1 && !current.State.Running && releases[n-1].Ended && imageOf(releases[n-2]) == imageOf(ran) {
		return releases[n-1]
	}
	return ran
}

// served returns what is known of the release that a container of the web application is of.
func served(c engine.Container) project.Entry {
	return project.Entry{Time: c.Created.UTC(), Release: c.Version, Result: project.Done, Images: map[string]project.Image{stack.Platform: {Reference: c.Image, ID: c.ImageID}}}
}

// imageOf returns the id of the image of a release's web application.
func imageOf(e project.Entry) string { return e.Images[stack.Platform].ID }

// otherFolder says what another checkout of the project has brought, "" for nothing. A release
// that this folder's history does not have shows by the container that it has left.
func (d *deployment) otherFolder(present project.Entry) string {
	if over := d.passedOver(); over != "" {
		return "; " + over
	}
	known, _ := d.Project.History() // which was read before
	for _, c := range d.state.Others(stack.Platform) {
		ours := func(e project.Entry) bool { return e.Release == c.Version || imageOf(e) == c.ImageID }
		if !slices.ContainsFunc(known, ours) && c.State.Status == "exited" && c.State.ExitCode == 0 && c.Version != "" && c.Version != present.Release && engine.Tag(d.Project.File.Images[stack.Platform]) == "" {
			return fmt.Sprintf("; %s, which has stopped, is of another one, and may have been deployed from another folder: `%s`", c.Name, console.Quoted("tale rollback --version", c.Version))
		}
	}
	return ""
}

// before returns the release of another image that served before the present one, and whether
// there is one. Where the history does not have the present one it is the last one of all.
func before(releases []project.Entry, present project.Entry) (project.Entry, bool) {
	for i, e := range slices.Backward(releases) {
		if imageOf(e) == imageOf(present) {
			releases = releases[:i]
			break
		}
	}
	return last(releases, func(e project.Entry) bool { return leadsBack(e, present) && !e.Ended })
}

// leadsBack reports whether a release is another one than the present, by its image.
func leadsBack(e, present project.Entry) bool { return imageOf(e) != imageOf(present) }

// last returns the last release that a condition fits, and whether there is one.
func last(releases []project.Entry, fits func(project.Entry) bool) (project.Entry, bool) {
	for _, e := range slices.Backward(releases) {
		if fits(e) {
			return e, true
		}
	}
	return project.Entry{}, false
}

// next says what may follow when a release serves: the way back as rollback will take it.
func (d *deployment) next() string {
	text := "next: tale status"
	history, err := d.Project.History()
	releases := project.Releases(history)
	if err != nil || len(releases) == 0 {
		return text
	}
	present := releases[len(releases)-1]
	switch back, there := before(releases, present); {
	case !there:
		return text
	case rollout.IsBeforeMinor(back.Release, present.Release):
		return text + fmt.Sprintf(", or back to %s, if it can read the data of %s, with: tale rollback --accept-data-loss", back.Release, present.Release)
	default:
		return text + fmt.Sprintf(", or back to %s with: tale rollback", cmp.Or(back.Release, "what served before"))
	}
}

// tagIsNamed returns why a --version would change nothing.
func tagIsNamed(image string) error {
	return exit.Errorf(exit.Usage, "--version cannot change the image %s, which tale.json names with its tag: change it there, or leave the tag out there", image)
}

// fitsData refuses to go back to a release that may not read the present data, be it by
// rollback or by a version that has stayed behind in a file. Versions that are none say
// nothing.
func (d *deployment) fitsData() error {
	releases, err := d.releases()
	if err != nil {
		return err
	}
	present := d.present(releases)
	change, planned := d.plan.Of(stack.Platform)
	if !planned || change.Action == rollout.Keep || d.options.loses || !rollout.IsBeforeMinor(d.plan.Version, present.Release) {
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
	switch image := d.Project.File.Images[stack.Platform]; {
	case d.options.rollback || d.options.version != "":
	case engine.Tag(image) != "":
		way += fmt.Sprintf("; the tag %s of the web application's image in tale.json keeps the present one", present.Release)
	default:
		way += fmt.Sprintf("; TALE_VERSION=%s in .env keeps the present one", present.Release)
	}
	return exit.Errorf(exit.Config, "cannot go back from %s to %s on the present data: migrations of the backend and of the app go forward only, and a release of another minor version may not read what the newer one has written; `%s --accept-data-loss` goes back all the same, %s", present.Release, d.plan.Version, again, way)
}

// dataOf says how the data of a release come back, which a snapshot may have.
func (d *deployment) dataOf(version string) (string, error) {
	path, err := data.SnapshotOf(d.Project, version)
	if path != "" {
		return "and `" + console.Quoted("tale restore", path) + "` then brings back the data of before, without what has come since", err
	}
	return "and there is no snapshot of the data of before, as `tale deploy --snapshot` takes", err
}
