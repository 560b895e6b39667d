package demo

import (
	"context"
	"errors"
	"fmt"
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
	failed := false
	for _, check := range s.checks(visitor) {
		began := time.Now()
		detail, err := check.run(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.screen.check(check.name, time.Since(began), detail, err)
		failed = failed || err != nil
	}
	if failed {
		return errors.New("a check failed")
	}
	return nil
}

func (s *stack) checks(v *visitor) []check {
	plain := fmt.Sprintf("http://localhost:%d", s.environment.id.Ports.HTTP)
	return []check{
		{"page over https", v.page},
		{"http leads to https", func(ctx context.Context) (string, error) { return v.redirect(ctx, plain) }},
		{"proxy health", v.health},
		{"backend: admin API", v.adminAPI},
		{"backend: file upload and download", v.storage},
		{"backend: HTTP action", v.httpAction},
		{"backend: sync socket", v.sync},
		{"metrics are closed", v.metricsClosed},
		{"metrics open to the token", func(ctx context.Context) (string, error) {
			return v.metricsOpen(ctx, s.environment.id.Secrets.Metrics)
		}},
		{"second push changes nothing", func(ctx context.Context) (string, error) { return s.pushAgain(ctx, v) }},
	}
}
