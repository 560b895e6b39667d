package compose

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// checkKeeps refuses an override that leaves a folder of a service's data to a volume without a
// name, to memory, or to the container itself: it would begin empty beside the data that is
// there, and what is written to it would not outlive its container. Where another image keeps
// its data is not known here.
func (b *builder) checkKeeps(file string, plain, merged types.ServiceConfig) {
	if b.Foreign[plain.Name] || merged.Image != plain.Image {
		return
	}
	service, _ := stack.ServiceNamed(plain.Name)
	for _, mount := range service.Mounts {
		folder := path.Clean(cmp.Or(valueOf(merged, mount.Data), mount.Path))
		if why := lostAt(merged, folder, mount.Path); mount.Data != "" && why != "" {
			target := folder
			if holds(mount.Path, folder) {
				target = mount.Path
			}
			b.refuse(file, fmt.Sprintf("sets services.%s.volumes so that %s: what %s keeps there would be lost", plain.Name, why, plain.Name),
				fmt.Sprintf("%s:%s, or another volume with a name or a folder of the host, mounted at %[2]s", mount.Volume, target))
		}
	}
}

// lostAt returns why what a service writes to a folder does not stay, "" if it does: what is
// mounted nearest above it counts. Where nothing is mounted at the place that the image declares
// as a volume, the engine puts one without a name there.
func lostAt(s types.ServiceConfig, folder, declared string) string {
	nearest, why := "", nothingAt(s, folder)
	consider := func(target, lost string) {
		if at := path.Clean(target); holds(at, folder) && len(at) > len(nearest) {
			nearest, why = at, lost
		}
	}
	for _, mount := range s.Volumes {
		switch {
		case mount.Type == types.VolumeTypeTmpfs:
			consider(mount.Target, folder+" is in memory")
		case mount.Source == "":
			consider(mount.Target, fmt.Sprintf("%s is a volume without a name, which begins empty with each new container", path.Clean(mount.Target)))
		default:
			consider(mount.Target, "")
		}
	}
	for _, mount := range s.Tmpfs {
		at, _, _ := strings.Cut(mount, ":")
		consider(at, folder+" is in memory")
	}
	consider(declared, nothingAt(s, declared))
	return why
}

// holds reports whether a folder is at a place or below it.
func holds(place, folder string) bool {
	return folder == place || strings.HasPrefix(folder, place+"/")
}

// nothingAt says that nothing is mounted at a folder, and what is near.
func nothingAt(s types.ServiceConfig, folder string) string {
	near := ""
	for _, mount := range s.Volumes {
		if at := path.Clean(mount.Target); holds(at, folder) || holds(folder, at) {
			near = fmt.Sprintf(" (%s is mounted at %s)", cmp.Or(mount.Source, "a volume without a name"), at)
		}
	}
	return "nothing is mounted at " + folder + near
}
