package deploy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// moved returns what to agree to before a service goes on with another volume or folder than that
// in which its data are, as an override may have it: nothing takes the data along.
func (d *deployment) moved() (reasons []string) {
	for _, service := range stack.Services() {
		change, there := d.plan.Of(service.Name)
		if !there || change.Action != rollout.Create && change.Action != rollout.Recreate {
			continue
		}
		made, _ := d.model.Service(service.Name, change.Colour)
		for _, mount := range service.Mounts {
			if mount.Data == "" {
				continue
			}
			was, folder := d.place(service.Name, mount)
			now := placeOf(made.Mounts, cmp.Or(made.Environment[mount.Data], folder))
			if was != "" && now != was {
				reasons = append(reasons, fmt.Sprintf("the data of %s are in %s, and it goes on with what is in %s, if anything: nothing takes them along (compose.override.yml says where they are)", service.Name, was, cmp.Or(now, "no volume")))
			}
		}
	}
	return reasons
}

// place returns where the data of a service are, "" if there are none, and the folder in the
// container that has them. A container of another tool may have them where a migration takes them from.
func (d *deployment) place(service string, mount stack.Mount) (place, folder string) {
	if current, there := d.state.Current(service); there && current.Hash != "" {
		folder = cmp.Or(current.Environment[mount.Data], mount.Path)
		return placeOf(current.Mounts, folder), folder
	}
	if volume := d.Project.File.ID + "_" + mount.Volume; slices.Contains(d.state.Volumes, volume) {
		place = volume
	}
	return place, mount.Path
}

// placeOf returns the volume or folder of the host in which a folder of a container is, with the
// way to it from there; "" if it is in none.
func placeOf(mounts []engine.Mount, folder string) string {
	place, at := "", ""
	for _, mount := range mounts {
		target := path.Clean(mount.Path)
		if below, is := strings.CutPrefix(path.Clean(folder)+"/", target+"/"); is && len(target) > len(at) {
			place, at = strings.TrimSuffix(mount.Volume+"/"+below, "/"), target
		}
	}
	return place
}
