package compose

import (
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Presumed is what a container is made with that has to be there already: neither tale nor
// docker compose makes it.
type Presumed struct {
	Volumes  []string // of the engine
	Networks []string // the same
	Paths    []string // of the engine's host
}

// presumed returns that of a service, each list sorted.
func presumed(s types.ServiceConfig, all *types.Project, own map[string]bool) (p Presumed) {
	for _, mount := range s.Volumes {
		volume := all.Volumes[mount.Source]
		switch {
		case mount.Type == types.VolumeTypeBind && mount.Bind != nil && !bool(mount.Bind.CreateHostPath):
			p.Paths = append(p.Paths, mount.Source)
		case mount.Type == types.VolumeTypeVolume && bool(volume.External) && !own[mount.Source]:
			p.Volumes = append(p.Volumes, volume.Name)
		}
	}
	for key := range s.Networks {
		// An engine that is part of a swarm need not know the swarm's networks before it uses them.
		if network := all.Networks[key]; key != stack.Network && bool(network.External) && network.Driver != "overlay" {
			p.Networks = append(p.Networks, network.Name)
		}
	}
	for _, secret := range s.Secrets {
		p.Paths = append(p.Paths, all.Secrets[secret.Source].File)
	}
	for _, config := range s.Configs {
		p.Paths = append(p.Paths, all.Configs[config.Source].File)
	}
	for _, device := range s.Devices {
		p.Paths = append(p.Paths, device.Source)
	}
	// A device may be named by its maker, and what has its content in the file has no path.
	p.Paths = slices.DeleteFunc(p.Paths, func(path string) bool { return !strings.HasPrefix(path, "/") })
	for _, list := range []*[]string{&p.Volumes, &p.Networks, &p.Paths} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return p
}

// mountsOf returns the volumes and folders of the host in a container, as the engine will tell
// them of it.
func mountsOf(s types.ServiceConfig, volumes types.Volumes) (mounts []engine.Mount) {
	for _, mount := range s.Volumes {
		source := mount.Source
		switch {
		case mount.Type == types.VolumeTypeVolume:
			source = volumes[mount.Source].Name
		case source != "":
			source = path.Clean(source)
		}
		if source != "" {
			mounts = append(mounts, engine.Mount{Volume: source, Path: mount.Target, ReadOnly: mount.ReadOnly})
		}
	}
	return mounts
}
