package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// check is one thing that a running stack has to do.
type check struct {
	name string
	run  func(context.Context) (detail string, err error)
}

// verify runs all checks, also after one has failed, and shows each.
func (s *stack) verify(ctx context.Context) error {
	visitor, err := newVisitor(s.environment.id, s.environment.folder.join(rootFile))
	if err != nil {
		return err
	}
	defer visitor.close()
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

func (s *stack) checks(v *visitor) []check {
	plain := fmt.Sprintf("http://localhost:%d", s.environment.id.Ports.HTTP)
	return slices.Concat(
		[]check{{"http leads to https", func(ctx context.Context) (string, error) { return v.redirect(ctx, plain) }}},
		v.checks(s.environment.id.Secrets.Metrics),
		[]check{{"second push changes nothing", func(ctx context.Context) (string, error) { return s.pushAgain(ctx, v) }}},
	)
}

// checks are those that need nothing but the site's public address.
func (v *visitor) checks(metricsToken string) []check {
	return []check{
		{"page over https", v.page},
		{"proxy health", v.health},
		{"backend: admin API", v.adminAPI},
		{"backend: file upload and download", v.storage},
		{"backend: HTTP action", v.httpAction},
		{"backend: sync socket", v.sync},
		{"metrics are closed", v.metricsClosed},
		{"metrics open to the token", func(ctx context.Context) (string, error) { return v.metricsOpen(ctx, metricsToken) }},
	}
}
