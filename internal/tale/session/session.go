package session

import (
	"context"
	"crypto/x509"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/files"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// Session is a project and the engine that it runs on.
type Session struct {
	Project  *project.Project
	Settings project.Settings
	Engine   *engine.Engine
	Info     engine.Info
}

// Session opens both. The caller closes the engine.
func (a *App) Session(ctx context.Context) (*Session, error) {
	p, err := a.Open()
	if err != nil {
		return nil, err
	}
	settings, err := p.Settings(a.Environ)
	if err != nil {
		return nil, err
	}
	s, err := a.Connect(ctx, p)
	if err == nil {
		s.Settings = settings
	}
	return s, err
}

// Connect opens the engine of a project and leaves the settings alone. The caller closes
// it.
func (a *App) Connect(ctx context.Context, p *project.Project) (*Session, error) {
	if err := HasID(p); err != nil {
		return nil, err
	}
	docker, err := engine.Connect(ctx, engine.Options{Environ: a.Environ, Self: a.Self})
	if err != nil {
		return nil, err
	}
	info, err := docker.Info(ctx)
	if err != nil {
		_ = docker.Close()
		return nil, err
	}
	return &Session{Project: p, Engine: docker, Info: info}, nil
}

// HasID refuses a project of the oldest tools.
func HasID(p *project.Project) error {
	if p.File.ID == "" {
		return exit.Errorf(exit.Config, "%s has no id yet: `tale deploy` gives it one", p.Dir)
	}
	return nil
}

// OnEngine does something with the engine of a project, until it is done or interrupted. Left
// tells what stays at a second stop signal.
func (a *App) OnEngine(command *cobra.Command, p *project.Project, left func(code int), do func(context.Context, *Session) error) error {
	ctx, stop := console.Interruptible(command.Context(), func() {}, left)
	defer stop()
	s, err := a.Connect(ctx, p)
	if err != nil {
		return Interrupted(ctx, err)
	}
	defer s.Close()
	return do(ctx, s)
}

// Close closes the engine.
func (s *Session) Close() { _ = s.Engine.Close() }

// Observed returns what runs, and what the proxy says of it.
func (s *Session) Observed(ctx context.Context) (rollout.State, error) {
	state, err := rollout.Observe(ctx, s.Engine, s.Project.File.ID)
	if err != nil {
		return state, err
	}
	state.AskServing(ctx, s.Engine)
	return state, nil
}

// CompareFiles compares the project's folders with those in convex, running or not.
func (s *Session) CompareFiles(ctx context.Context) (files.Plan, error) {
	containers, err := s.Engine.Containers(ctx, s.Project.File.ID)
	if err != nil {
		return files.Plan{}, err
	}
	convex := "" // there is none
	if i := slices.IndexFunc(containers, func(c engine.Container) bool { return c.Service == stack.Convex }); i >= 0 {
		convex = containers[i].ID
	}
	return files.Compare(ctx, s.Engine, convex, s.Project.Dir)
}

// Visitor returns who asks for the site as the public does, at the port that the proxy
// publishes, or at the container itself where it publishes none.
func (s *Session) Visitor(ctx context.Context, proxy engine.Container) (*site.Visitor, error) {
	settings := stack.Site{}
	if err := config.Load(&settings, s.Settings.Environ()); err != nil {
		return nil, err
	}
	address := settings.Address()
	options := site.Options{URL: address.URL()}
	port := stack.HTTPSPort
	if settings.TLSMode == stack.TLSExternal {
		// The terminator in front is not asked: it may not be up to this release.
		port, options.URL = stack.HTTPPort, "http://"+address.Authority()+address.Base
	}
	options.Connect = proxy.ReachedAt(port)
	if settings.TLSMode == stack.TLSSelfSigned {
		root, err := s.Engine.ReadFile(ctx, proxy.ID, "/ca/root.crt")
		if err != nil {
			options.Blind = true // another make of proxy, which does not show its authority
		}
		options.Roots = x509.NewCertPool()
		options.Roots.AppendCertsFromPEM(root)
	}
	return site.New(options), nil
}
