package tale

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// officialRegistry is where Tale's images are.
const officialRegistry = "ghcr.io/tale-project/tale"

// release is which images a stack is to be made of.
type release struct {
	version  string
	versions map[string]string // by service
	images   map[string]string // reference by service
}

// release returns what is asked for: Tale's own images in the version that is named, or
// else that of the settings, or that of this command. An image that tale.json names has
// its own tag; one without is in the version that is named, and then Tale's own are not.
func (s *session) release(named string) release {
	own := version.String()
	if strings.HasPrefix(own, "dev") {
		own = "latest" // a build that is of no release
	}
	own = withoutV(cmp.Or(s.settings.Get("TALE_VERSION"), own))
	named = cmp.Or(withoutV(named), own)
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.project.File.Images)), func(image string) bool { return engine.Tag(image) == "" }) {
		own = named
	}
	registry := strings.TrimSuffix(cmp.Or(s.settings.Get("TALE_REGISTRY"), s.settings.Get("GHCR_REGISTRY"), officialRegistry), "/")
	r := release{version: named, versions: map[string]string{}, images: map[string]string{}}
	for _, service := range s.project.Services() {
		image, tag := s.project.File.Images[service.Name], own
		switch {
		case image == "":
			image = fmt.Sprintf("%s/tale-%s:%s", registry, service.Name, own)
		case engine.Tag(image) == "":
			image, tag = image+":"+named, named
		default:
			tag = engine.Tag(image)
		}
		r.images[service.Name], r.versions[service.Name] = image, tag
		if service.Name == stack.Platform {
			r.version = tag
		}
	}
	return r
}

// withoutV returns a version as images are tagged: v1.2.3 is 1.2.3.
func withoutV(version string) string {
	if len(version) > 1 && version[0] == 'v' && version[1] >= '0' && version[1] <= '9' {
		return version[1:]
	}
	return version
}

// aim returns the compose files of a release, and what a deploy of it has to do.
func (s *session) aim(r release, host string, fresh bool, state rollout.State, scope rollout.Scope) (*compose.Model, rollout.Target, error) {
	o := compose.Options{Project: s.project, Settings: s.settings, Images: r.images, Versions: r.versions, Host: host, Fresh: fresh}
	return state.Aim(s.project.File.ID, r.version, o, scope, compose.Production)
}

// makeRoom removes images of earlier releases before new ones are pulled. That it
// cannot costs disk space and nothing else.
func (d *deployment) makeRoom(ctx context.Context) {
	if len(d.plan.Pull) == 0 {
		return
	}
	everything, err := d.engine.Everything(ctx)
	if err != nil {
		d.out.Say(fmt.Sprintf("old images stay: %v", err))
		return
	}
	var freed int64
	for _, image := range d.unused(d.state, everything, d.release, int(d.options.keep)) {
		if err := d.engine.RemoveImage(ctx, image.ID); err != nil {
			d.out.Say(fmt.Sprintf("an old image stays: %v", err))
			continue
		}
		freed += image.Size
	}
	if freed > 0 {
		d.out.Say(humanize.Bytes(uint64(freed)) + " of earlier releases' images were freed")
	}
}

// unused returns the images of ours that may go: that are of none of the releases to keep
// and of none of these containers, whoever's they are.
func (s *session) unused(state rollout.State, containers []engine.Container, r release, keep int) []engine.Image {
	var used, kept []string
	for _, c := range containers {
		used = append(used, c.ImageID)
	}
	entries, err := s.project.History()
	if err != nil {
		return nil // it cannot be known what to keep
	}
	releases := keptReleases(entries, keep)
	for _, entry := range entries {
		if served(entry) && releases[entry.Release] {
			for _, image := range entry.Images {
				kept = append(kept, image.ID)
			}
		}
	}
	for _, image := range state.Images { // what the next deploy would pull again, or cannot
		if slices.ContainsFunc(slices.Collect(maps.Values(r.images)), image.Is) {
			kept = append(kept, image.ID)
		}
	}
	return rollout.Unused(state.Images, used, repositories(r), kept)
}

// served reports whether an entry is of a release that came to serve.
func served(entry project.Entry) bool { return entry.Result == project.Done && len(entry.Images) > 0 }

// keptReleases returns the last that served, and so many before it.
func keptReleases(entries []project.Entry, keep int) map[string]bool {
	releases := map[string]bool{}
	for _, entry := range slices.Backward(entries) {
		if served(entry) && len(releases) <= keep {
			releases[entry.Release] = true
		}
	}
	return releases
}

// repositories returns where the images of the project come from.
func repositories(r release) []string {
	var names []string
	for _, image := range slices.Sorted(maps.Values(r.images)) {
		names = append(names, engine.Repository(image))
	}
	return slices.Compact(names)
}
