package deploy

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// lost returns what to agree to before volumes are made, and empty, that the last release
// had its data in: they were removed since, and not by tale reset.
func (d *deployment) lost(ctx context.Context) (reasons []string, _ error) {
	entries, _ := d.Project.History() // without one nothing is known of what there was
	last := project.LastData(entries).Images
	if renamed := d.Project.Renamed(); renamed != "" && last != nil {
		return []string{renamed + ". As it is, this begins a new stack beside it, and empty"}, nil
	}
	gone, _, err := d.goneData(ctx, func(service string) bool { _, ran := last[service]; return ran })
	for _, name := range gone {
		reasons = append(reasons, "the volume "+name+" is made anew, and empty: the data that the last release had are gone, or elsewhere (tale restore brings back a backup)")
	}
	return reasons, err
}

// goneData returns the volumes for data of some services that would be made, and whether those
// are all that they have.
func (d *deployment) goneData(ctx context.Context, of func(service string) bool) (gone []string, all bool, _ error) {
	all = true
	for _, service := range stack.Services() {
		for _, mount := range service.Mounts {
			if mount.Data == "" || !of(service.Name) {
				continue
			}
			name, there, err := d.dataIn(ctx, service.Name, mount)
			if err != nil {
				return nil, false, err
			}
			if all = all && !there; !there {
				gone = append(gone, name)
			}
		}
	}
	return gone, all, nil
}

// dataIn returns the volume that a service is to have its data in, and whether it has any: a folder
// of the host is for others to keep, and data that are in another volume are asked for by moved.
func (d *deployment) dataIn(ctx context.Context, service string, mount stack.Mount) (volume string, there bool, err error) {
	change, _ := d.plan.Of(service)
	made, _ := d.model.Service(service, change.Colour)
	place := placeOf(made.Mounts, cmp.Or(made.Environment[mount.Data], mount.Path))
	volume, _, _ = strings.Cut(place, "/")
	if volume == "" || slices.Contains(d.state.Volumes, volume) {
		return volume, true, nil
	}
	// An engine does not list one whose driver is away.
	if _, there, err = d.Engine.Volume(ctx, volume); err != nil || there {
		return volume, there, err
	}
	current, runs := d.state.Current(service)
	ours := runs && current.Hash != "" && !slices.ContainsFunc(current.Mounts, func(m engine.Mount) bool { return m.Volume == volume })
	return volume, ours || slices.Contains(d.state.Volumes, d.Project.File.ID+"_"+mount.Volume), nil
}

// leadsSomewhere refuses a rollback to a release without anything that it could go back with:
// where nothing runs and no data are left, as after tale reset --all --volumes, it would begin a
// new stack. What has its data, or runs, is brought up whatever else was removed.
func (d *deployment) leadsSomewhere(ctx context.Context) error {
	if current, _ := d.state.Current(stack.Platform); !d.options.rollback || current.State.Running {
		return nil
	}
	gone, all, err := d.goneData(ctx, func(service string) bool { _, planned := d.plan.Of(service); return planned })
	if err != nil || !all || len(gone) == 0 {
		return err
	}
	command := "tale deploy"
	if engine.Tag(d.Project.File.Images[stack.Platform]) == "" {
		command = console.Quoted("tale deploy --version", d.plan.Version)
	}
	return exit.Errorf(exit.Failure, "there is nothing to roll back: no %s runs, and %s %s gone with the data, so that release %s would begin a new stack, and an empty one; `%s` does that, and tale restore then brings back a backup",
		stack.Platform, english.WordSeries(gone, "and"), english.PluralWord(len(gone), "is", "are"), d.plan.Version, command)
}
