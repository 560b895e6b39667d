package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// entry returns this run as the history has it, with the images that it is to bring.
func (d *deployment) entry() project.Entry {
	entry := session.NewEntry(d.command, d.began)
	entry.Release, entry.Images, entry.Rollback = d.plan.Version, map[string]project.Image{}, d.options.rollback
	if current, there := d.state.Current(stack.Platform); there {
		entry.From = current.Version
	}
	entry.Snapshot = d.kept
	for _, wanted := range d.target.Services {
		entry.Images[wanted.Service] = project.Image{Reference: wanted.Image, ID: wanted.ImageID}
	}
	return entry
}

// record writes what was done into the history. Of a success, done is to follow.
func (d *deployment) record(failure error) {
	entry := d.entry()
	entry.Images = map[string]project.Image{}
	var left *rollout.LeftError
	if failure != nil && !errors.As(failure, &left) {
		session.Fail(&entry, session.ResultOf(failure), failure)
		_, entry.Ended = errors.AsType[*rollout.FallenError](failure)
	}
	if entry.Result != project.Done {
		d.warn(d.Project.Record(entry))
		return
	}
	d.fillImages(&entry)
	err := d.Project.Append(entry)
	if change, ok := d.plan.Of(stack.Platform); ok && change.Action != rollout.Keep {
		err = errors.Join(err, d.Project.Switched(change.Colour, entry.From))
	}
	d.warn(err)
}

func (d *deployment) warn(err error) {
	if err != nil {
		d.out.Say(fmt.Sprintf("the history could not be written, nothing else is lost: %v", err))
	}
}

// done says the result. The note of the run goes behind it: one that was killed before it has
// said so is told the same, and does not go a further step back. Where the history could not be
// written the note stays: nothing else knows the run's snapshot.
func (d *deployment) done(result string, left *rollout.LeftError) error {
	err := d.out.Result(result, left)
	d.finish()
	return err
}

func (d *deployment) finish() {
	if note, _ := d.Project.Unfinished(); note.Result != "" {
		d.warn(d.Project.Finish())
	}
}

// steady is after what time a release that ended as soon as it had visitors has served after all.
const steady = time.Hour

// recordPredecessor notes what serves where the history does not have it: a rollback leads to it.
func (d *deployment) recordPredecessor() error {
	history, err := d.Project.History()
	found, there := d.found(history)
	if err != nil || !there {
		return err
	}
	d.images(&found, d.state.Current)
	return d.Project.Remember(found)
}

// releases returns those of the history, and what serves where it does not have that.
func (d *deployment) releases() ([]project.Entry, error) {
	history, err := d.Project.History()
	if found, there := d.found(history); err == nil && there {
		history = append(history, found)
	}
	return project.Releases(history), err
}

// notFromHere is the command of what another folder has brought.
const notFromHere = "not from here"

// found returns what serves, if a history does not have it as the present release: what another
// tool has made, a run that was killed, or one from another folder. Of the last, what the history
// has further back was gone back to, and what came after it is no way back.
func (d *deployment) found(history []project.Entry) (project.Entry, bool) {
	current, there := d.state.Current(stack.Platform)
	releases := project.Releases(history)
	found, n := served(current), len(releases)
	if n == 0 {
		found.Command = "before the history"
		return found, there
	}
	same := func(e project.Entry) bool { return imageOf(e) == imageOf(found) }
	switch {
	case !current.State.Running:
		return found, false
	case same(releases[n-1]):
		found.Command = "serves after all"
		return found, releases[n-1].Ended && current.State.Well() && time.Since(current.State.Started) > steady
	}
	if killed, there := d.killed(history); there && (same(killed) || imageOf(killed) == "" && killed.Release == found.Release) {
		killed.Images, killed.Result, killed.Why = found.Images, project.Done, "it was killed, and what it brought serves"
		return killed, true
	}
	found.Command = notFromHere
	_, found.Rollback = last(releases, same)
	return found, true
}

// passedOver says which releases are no way back any more because of what another folder has
// brought, "" if there is none. Whether it has gone back there, or has deployed an old release,
// cannot be seen.
func (d *deployment) passedOver() string {
	history, _ := d.Project.History() // which was read before
	found, there := d.found(history)
	if !there || !found.Rollback || found.Command != notFromHere {
		return ""
	}
	left := project.Releases(append(slices.Clone(history), found))
	var over []string
	for _, e := range project.Releases(history) {
		same := func(other project.Entry) bool { return imageOf(other) == imageOf(e) }
		if !slices.ContainsFunc(left, same) && !slices.Contains(over, e.Release) {
			over = append(over, e.Release)
		}
	}
	if len(over) == 0 {
		return ""
	}
	return fmt.Sprintf("%s serves, which another folder has brought again: it is taken to have been gone back to, so that the way back does not lead to %s, which served here since; tale rollback --version does",
		found.Release, english.WordSeries(over, "and"))
}

// killed returns the run that was killed after the last release, and whether there is one.
func (d *deployment) killed(history []project.Entry) (project.Entry, bool) {
	if note, there := d.Project.Unfinished(); there && note.Result == "" {
		return note, true
	}
	e, there := last(history, func(e project.Entry) bool { return e.Served() || e.Result == project.Killed })
	return e, there && e.Result == project.Killed
}

// fillImages notes what this run has left, as the engine says.
func (d *deployment) fillImages(entry *project.Entry) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	state, err := d.Observed(ctx)
	if err != nil {
		return
	}
	d.images(entry, func(service string) (engine.Container, bool) {
		change, _ := d.plan.Of(service)
		for _, c := range state.Containers {
			if c.Service == service && c.Colour == change.Colour && change.Action == rollout.Rotate {
				return c, true // even if it has ended since, and another one ran last
			}
		}
		return state.Current(service)
	})
}

// images notes what the services run, of which there is a container.
func (d *deployment) images(entry *project.Entry, of func(service string) (engine.Container, bool)) {
	entry.Images = map[string]project.Image{}
	for _, wanted := range d.target.Services {
		c, there := of(wanted.Service)
		if !there {
			continue
		}
		image := project.Image{Reference: c.Image, ID: c.ImageID}
		if strings.HasPrefix(image.Reference, "sha256:") {
			image.Reference = d.release.Images[wanted.Service]
		}
		if c.Service == stack.Platform {
			entry.Colour = c.Colour
		}
		entry.Images[wanted.Service] = image
	}
}
