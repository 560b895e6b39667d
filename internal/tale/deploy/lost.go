package deploy

import (
	"context"
	"slices"

	"github.com/tale-project/tale-runtime/internal/stack"
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
	for _, service := range stack.Services() {
		_, ran := last[service.Name]
		for _, mount := range service.Mounts {
			name := d.Project.File.ID + "_" + mount.Volume
			if ran && mount.Data != "" && slices.Contains(d.plan.Volumes, name) {
				_, there, err := d.Engine.Volume(ctx, name) // an engine does not list one whose driver is away
				if err != nil {
					return nil, err
				}
				if there {
					continue
				}
				reasons = append(reasons, "the volume "+name+", in which the last release had its data, is gone, and is made anew and empty (tale restore brings back a backup)")
			}
		}
	}
	return reasons, nil
}
