package tale

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// officialRegistry is where Tale's images are.
const officialRegistry = "ghcr.io/tale-project/tale"

// session is a project and the engine that it runs on.
type session struct {
	project  *project.Project
	settings project.Settings
	engine   *engine.Engine
	info     engine.Info
}

// session opens both. The caller closes the engine.
func (a *app) session(ctx context.Context) (*session, error) {
	p, err := a.open()
	if err != nil {
		return nil, err
	}
	settings, err := p.Settings(a.environ)
	if err != nil {
		return nil, err
	}
	s, err := a.connect(ctx, p)
	if err == nil {
		s.settings = settings
	}
	return s, err
}

// connect opens the engine of a project and leaves the settings alone. The caller closes
// it.
func (a *app) connect(ctx context.Context, p *project.Project) (*session, error) {
	if p.File.ID == "" {
		return nil, exit.Errorf(exit.Config, "%s has no id yet: `tale deploy` gives it one", p.Dir)
	}
	docker, err := engine.Connect(ctx, engine.Options{Environ: a.environ})
	if err != nil {
		return nil, err
	}
	info, err := docker.Info(ctx)
	if err != nil {
		_ = docker.Close()
		return nil, err
	}
	return &session{project: p, engine: docker, info: info}, nil
}

func (s *session) close() { _ = s.engine.Close() }

// release is which images a stack is to be made of.
type release struct {
	version  string
	versions map[string]string // by service
	images   map[string]string // reference by service
}

// release returns what is asked for: Tale's own images in the version that is named, or
// else that of the settings, or that of this command. An image that tale.json names has
// its own tag; without one it is the version that is named.
func (s *session) release(named string) release {
	own := strings.TrimPrefix(cmp.Or(s.settings.Get("TALE_VERSION"), version.String()), "v")
	if strings.HasPrefix(own, "dev") {
		own = "latest"
	}
	named = cmp.Or(strings.TrimPrefix(named, "v"), own)
	if len(s.project.File.Images) == 0 {
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

// model returns the compose files of a release.
func (s *session) model(r release, host string, fresh bool, images []engine.Image) (*compose.Model, error) {
	return compose.Production(compose.Options{
		Project: s.project, Settings: s.settings, Images: r.images, Versions: r.versions, Host: host, Fresh: fresh,
		Foreign: foreign(r.images, images),
	})
}

// foreign returns the services whose image is of another make than those of images/: of
// an image that the engine has not yet, ours is assumed, but for the Python services.
func foreign(references map[string]string, images []engine.Image) map[string]bool {
	others := map[string]bool{stack.RAG: true, stack.Crawler: true}
	for service, reference := range references {
		i := slices.IndexFunc(images, func(image engine.Image) bool { return image.Is(reference) })
		if i >= 0 && !others[service] && !strings.HasSuffix(images[i].Labels["org.opencontainers.image.source"], "/tale-runtime") {
			others[service] = true
		}
	}
	return others
}

// observed returns what runs, and what the proxy says of it.
func (s *session) observed(ctx context.Context) (rollout.State, error) {
	state, err := rollout.Observe(ctx, s.engine, s.project.File.ID)
	if err != nil {
		return state, err
	}
	state.AskServing(ctx, s.engine)
	return state, nil
}

// repositories returns where the images of the project come from.
func repositories(r release) []string {
	var names []string
	for _, image := range slices.Sorted(maps.Values(r.images)) {
		names = append(names, engine.Repository(image))
	}
	return slices.Compact(names)
}
