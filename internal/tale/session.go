package tale

import (
	"context"
	"crypto/x509"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/site"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

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
	if err := hasID(p); err != nil {
		return nil, err
	}
	docker, err := engine.Connect(ctx, engine.Options{Environ: a.environ, Self: a.self})
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

// hasID refuses a project of the oldest tools.
func hasID(p *project.Project) error {
	if p.File.ID == "" {
		return exit.Errorf(exit.Config, "%s has no id yet: `tale deploy` gives it one", p.Dir)
	}
	return nil
}

// onEngine does something with the engine of a project, until it is done or interrupted.
func (a *app) onEngine(command *cobra.Command, p *project.Project, do func(context.Context, *session) error) error {
	ctx, stop := console.Interruptible(command.Context(), func() {})
	defer stop()
	s, err := a.connect(ctx, p)
	if err != nil {
		return err
	}
	defer s.close()
	return do(ctx, s)
}

func (s *session) close() { _ = s.engine.Close() }

// observed returns what runs, and what the proxy says of it.
func (s *session) observed(ctx context.Context) (rollout.State, error) {
	state, err := rollout.Observe(ctx, s.engine, s.project.File.ID)
	if err != nil {
		return state, err
	}
	state.AskServing(ctx, s.engine)
	return state, nil
}

// visitor returns who asks for the site as the public does, at the port that the proxy
// publishes, or at the container itself where it publishes none.
func (s *session) visitor(ctx context.Context, proxy engine.Container) (*site.Visitor, error) {
	settings := stack.Site{}
	if err := config.Load(&settings, s.settings.Environ()); err != nil {
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
		root, err := s.engine.ReadFile(ctx, proxy.ID, "/ca/root.crt")
		if err != nil {
			options.Blind = true // another make of proxy, which does not show its authority
		}
		options.Roots = x509.NewCertPool()
		options.Roots.AppendCertsFromPEM(root)
	}
	return site.New(options), nil
}
