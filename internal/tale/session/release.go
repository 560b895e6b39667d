package session

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

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
	// Assumed are the images whose version no setting, flag or tag names.
	Assumed []string
}

// Release returns what is asked for: Tale's own images in the version that is named, or
// else that of the settings, or that of this command. An image that tale.json names has
// its own tag; one without is in the version that is named, and then Tale's own are not.
func (s *Session) Release(named string) Release {
	assumed := s.Settings.Get(stack.Version) == "" && named == ""
	own := WithoutV(cmp.Or(s.Settings.Get(stack.Version), releaseOf(version.String())))
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
		if assumed && engine.Tag(s.Project.File.Images[service.Name]) == "" {
			r.Assumed = append(r.Assumed, image)
		}
		r.Images[service.Name], r.Versions[service.Name] = image, tag
		if service.Name == stack.Platform {
			r.Version = tag
		}
	}
	return r
}

// described is what git describe adds to a tag for the commits since.
var described = regexp.MustCompile(`-\d+-g[0-9a-f]+(-dirty)?$|-dirty$`)

// releaseOf returns the tag of the images that belong to a build of this command: the moving
// one for a build of a checkout, for which nobody has made images.
func releaseOf(build string) string {
	if _, err := semver.StrictNewVersion(WithoutV(build)); err != nil || described.MatchString(build) {
		return "latest"
	}
	return build
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
