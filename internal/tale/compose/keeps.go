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
	for _, mount := range mountsOf(plain.Name) {
		target := cmp.Or(valueOf(merged, mount.Data), mount.Path)
		if why := lostAt(merged, target); mount.Data != "" && why != "" {
			b.refuse(file, fmt.Sprintf("sets services.%s.volumes so that %s: what %s keeps there would be lost", plain.Name, why, plain.Name),
				fmt.Sprintf("%s:%s, or another volume with a name or a folder of the host, mounted at %[2]s", mount.Volume, target))
		}
	}
}

func mountsOf(service string) []stack.Mount {
	for _, s := range stack.Services() {
		if s.Name == service {
			return s.Mounts
		}
	}
	return nil
}

// lostAt returns why what a service writes to a folder does not stay, "" if it does.
func lostAt(s types.ServiceConfig, folder string) string {
	near := ""
	for _, mount := range s.Volumes {
		at := path.Clean(mount.Target)
		switch {
		case at != folder && (strings.HasPrefix(folder, at+"/") || strings.HasPrefix(at, folder+"/")):
			near = fmt.Sprintf(" (%s is mounted at %s)", cmp.Or(mount.Source, "a volume without a name"), at)
		case at != folder:
		case mount.Type == types.VolumeTypeTmpfs:
			return folder + " is in memory"
		case mount.Source == "":
			return folder + " is a volume without a name, which begins empty with each new container"
		default:
			return ""
		}
	}
	for _, at := range s.Tmpfs {
		if at, _, _ = strings.Cut(at, ":"); path.Clean(at) == folder {
			return folder + " is in memory"
		}
	}
	return "nothing is mounted at " + folder + near
}
