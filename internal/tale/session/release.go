package session

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// officialRegistry is where Tale's images are.
const officialRegistry = "ghcr.io/tale-project/tale"

// Release is which images a stack is to be made of.
type Release struct {
	Version  string
	Versions map[string]string // by service
	Images   map[string]string // reference by service
}

// Release returns what is asked for: Tale's own images in the version that is named, or
// else that of the settings, or that of this command. An image that tale.json names has
// its own tag; one without is in the version that is named, and then Tale's own are not.
func (s *Session) Release(named string) Release {
	own := version.String()
	if strings.HasPrefix(own, "dev") {
		own = "latest" // a build that is of no release
	}
	own = WithoutV(cmp.Or(s.Settings.Get("TALE_VERSION"), own))
	named = cmp.Or(WithoutV(named), own)
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.Project.File.Images)), func(image string) bool { return engine.Tag(image) == "" }) {
		own = named
	}
	registry := strings.TrimSuffix(cmp.Or(s.Settings.Get("TALE_REGISTRY"), s.Settings.Get("GHCR_REGISTRY"), officialRegistry), "/")
	r := Release{Version: named, Versions: map[string]string{}, Images: map[string]string{}}
	for _, service := range s.Project.Services() {
		image, tag := s.Project.File.Images[service.Name], own
		switch {
		case image == "":
			image = fmt.Sprintf("%s/tale-%s:%s", registry, service.Name, own)
		case engine.Tag(image) == "":
			image, tag = image+":"+named, named
		default:
			tag = engine.Tag(image)
		}
		r.Images[service.Name], r.Versions[service.Name] = image, tag
		if service.Name == stack.Platform {
			r.Version = tag
		}
	}
	return r
}

// WithoutV returns a version as images are tagged: v1.2.3 is 1.2.3.
func WithoutV(version string) string {
	if len(version) > 1 && version[0] == 'v' && version[1] >= '0' && version[1] <= '9' {
		return version[1:]
	}
	return version
}

// Aim returns the compose files of a release, and what a deploy of it has to do.
func (s *Session) Aim(r Release, host string, fresh bool, state rollout.State, scope rollout.Scope) (*compose.Model, rollout.Target, error) {
	o := compose.Options{Project: s.Project, Settings: s.Settings, Images: r.Images, Versions: r.Versions, Host: host, Fresh: fresh}
	return state.Aim(s.Project.File.ID, r.Version, o, scope, compose.Production)
}
