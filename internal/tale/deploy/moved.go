package deploy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// places compares where the data of services are with where they are to be.
type places struct {
	engine *engine.Engine
	state  rollout.State
	plan   rollout.Plan
	model  *compose.Model
	copied []string // volumes that migrations make, with the data in them
}

func (d *deployment) places() places {
	return places{d.Engine, d.state, d.plan, d.model, d.options.migrating.pending.Copied}
}

// moved returns what to agree to before a service goes on with another volume or folder than that
// in which its data are, as an override may have it: nothing takes the data along.
func (p places) moved(ctx context.Context) (reasons []string, _ error) {
	for _, service := range stack.Services() {
		change, there := p.plan.Of(service.Name)
		if !there || change.Action != rollout.Create && change.Action != rollout.Recreate {
			continue
		}
		made, _ := p.model.Service(service.Name, change.Colour)
		for _, mount := range service.Mounts {
			if mount.Data == "" {
				continue
			}
			before, folder := p.before(service.Name, mount, made.Mounts)
			after, err := p.folder(ctx, change, mount, made, folder)
			if err != nil {
				return nil, err
			}
			for _, pair := range differing(before, made.Mounts, folder, after) {
				reasons = append(reasons, fmt.Sprintf("the data of %s are in %s, and it goes on with what is in %s, if anything: nothing takes them along (compose.override.yml says where they are)", service.Name, pair[0], cmp.Or(pair[1], "no volume")))
			}
		}
	}
	return reasons, nil
}

// before returns what is mounted where a service has its data, nothing if there are none, and the
// folder in the container that has them. A container of another tool may have them where a
// migration takes them from: it counts only where there is no other volume for them.
func (p places) before(service string, mount stack.Mount, made []engine.Mount) (mounts []engine.Mount, folder string) {
	current, there := p.state.Current(service)
	if there {
		folder = cmp.Or(current.Environment[mount.Data], mount.Path)
		if current.Hash != "" || placeOf(current.Mounts, folder) == placeOf(made, folder) {
			return current.Mounts, folder
		}
	}
	if volume := p.plan.Project + "_" + mount.Volume; slices.Contains(p.state.Volumes, volume) || slices.Contains(p.copied, volume) {
		return []engine.Mount{{Volume: volume, Path: mount.Path}}, mount.Path
	}
	return current.Mounts, cmp.Or(folder, mount.Path)
}

// folder returns the folder in the container that is to have the data: what the variable for it
// says, or the image by itself, which may be what it says in the present container, too.
func (p places) folder(ctx context.Context, change rollout.Change, mount stack.Mount, made compose.Service, present string) (string, error) {
	if said := made.Environment[mount.Data]; said != "" || path.Clean(present) == mount.Path {
		return cmp.Or(said, present), nil
	}
	for _, image := range []string{cmp.Or(change.To.ImageID, change.To.Image), change.From.ImageID} {
		found, there, err := p.engine.Image(ctx, image)
		if err != nil {
			return "", err
		}
		if there {
			return cmp.Or(found.Environment[mount.Data], mount.Path), nil
		}
	}
	return present, nil
}

// differing returns the places that a folder of data has before and after, and those of volumes
// further down in it, where they are not the same.
func differing(before, after []engine.Mount, from, to string) (pairs [][2]string) {
	after = slices.Concat(after, nameless(before, after))
	was, now := placeOf(before, from), placeOf(after, to)
	switch {
	case was == "":
		return nil
	case !isSame(was, now):
		return [][2]string{{was, now}}
	}
	for _, mount := range slices.Concat(before, after) {
		below, is := strings.CutPrefix(path.Clean(mount.Path), path.Clean(from)+"/")
		if !is || path.IsAbs(mount.Volume) { // files of the host are put there as well
			continue
		}
		was, now := placeOf(before, path.Join(from, below)), placeOf(after, path.Join(to, below))
		if pair := [2]string{was, now}; !isSame(was, now) && !slices.Contains(pairs, pair) {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// nameless returns the volumes without a name that docker compose takes along into the container
// that replaces another one.
func nameless(before, after []engine.Mount) (kept []engine.Mount) {
	for _, mount := range before {
		id, err := hex.DecodeString(mount.Volume)
		if err == nil && len(id) == sha256.Size && !slices.ContainsFunc(after, func(m engine.Mount) bool { return path.Clean(m.Path) == path.Clean(mount.Path) }) {
			kept = append(kept, mount)
		}
	}
	return kept
}

// isSame reports whether two places are one: an engine in a virtual machine of a desktop knows
// the host's folders by another name, and a folder may have several.
func isSame(was, now string) bool {
	if was == now || !path.IsAbs(was) || !path.IsAbs(now) {
		return was == now
	}
	a, err := os.Stat(was)
	b, wrong := os.Stat(now)
	return was == "/host_mnt"+now || err == nil && wrong == nil && os.SameFile(a, b)
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
