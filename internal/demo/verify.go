package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/site"
)

// check is one thing that a running stack has to do.
type check struct {
	name string
	run  func(context.Context) (detail string, err error)
}

// verify runs all checks, also after one has failed, and shows each.
func (s *stack) verify(ctx context.Context) error {
	visitor, err := s.visitor()
	if err != nil {
		return err
	}
	defer visitor.Close()
	return runChecks(ctx, s.screen, s.checks(visitor))
}

func runChecks(ctx context.Context, screen *screen, checks []check) error {
	failed := false
	for _, check := range checks {
		began := time.Now()
		detail, err := check.run(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		screen.check(check.name, time.Since(began), detail, err)
		failed = failed || err != nil
	}
	if failed {
		return errors.New("a check failed")
	}
	return nil
}

func (s *stack) checks(v *site.Visitor) []check {
	plain := fmt.Sprintf("http://localhost:%d", s.environment.id.Ports.HTTP)
	return slices.Concat(
		[]check{{"http leads to https", func(ctx context.Context) (string, error) { return v.Redirect(ctx, plain) }}},
		visitorChecks(v, s.environment.id.Secrets.Metrics, isGuestbook(s.environment.options.App)),
		[]check{{"second push changes nothing", func(ctx context.Context) (string, error) { return s.pushAgain(ctx, v) }}},
		s.functionChecks(v),
	)
}

// functionChecks returns those of functions that run. A simulator without what it
// runs them with fails them: then the demo does not show what it is for.
func (s *stack) functionChecks(v *site.Visitor) []check {
	switch {
	case !isGuestbook(s.environment.options.App):
		return nil
	case !s.environment.backend.runs:
		return []check{{"functions run", func(context.Context) (string, error) {
			return "", errors.New("they do not: npm could not install what the simulator runs them with")
		}}}
	}
	return s.guestbookChecks(v)
}

// visitorChecks returns those that need nothing but the site's public address.
func visitorChecks(v *site.Visitor, metricsToken string, guestbook bool) []check {
	page, action := v.AnyPage, v.HTTPActions // an app's own are not known
	if guestbook {
		page = v.Page
		action = func(ctx context.Context) (string, error) { return v.HTTPAction(ctx, "/api/guestbook") }
	}
	return []check{
		{"page over https", page},
		{"proxy health", func(ctx context.Context) (string, error) { return proxyHealth(ctx, v) }},
		{"backend: admin API", v.AdminAPI},
		{"backend: file upload and download", v.Storage},
		{"backend: HTTP action", action},
		{"backend: sync socket", v.Sync},
		{"metrics are closed", v.MetricsClosed},
		{"metrics open to the token", func(ctx context.Context) (string, error) { return v.MetricsOpen(ctx, metricsToken) }},
	}
}

func proxyHealth(ctx context.Context, v *site.Visitor) (string, error) {
	health, err := v.Health(ctx)
	if err != nil {
		return "", err
	}
	if !health.Available {
		return "", fmt.Errorf("no healthy address for %s", strings.Join(health.Unavailable, ", "))
	}
	return "all upstreams are available", nil
}
