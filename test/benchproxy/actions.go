package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
)

// compareActions sends slow HTTP actions all at once: the classic route leads to
// a port that serves four at a time, ours to the backend itself.
func (s *stand) compareActions(ctx context.Context, out io.Writer) error {
	t := newTable(out, fmt.Sprintf("%d HTTP actions of %v at once", s.o.slow, actionTime), "all answered after", "at once")
	for _, name := range []string{stock, ours} {
		took, err := s.actions(ctx, name)
		if err != nil {
			return fmt.Errorf("%s: slow HTTP actions: %w", name, err)
		}
		t.row(name, took.Round(time.Millisecond).String(), fmt.Sprintf("%.0f", float64(s.o.slow)*float64(actionTime)/float64(took)))
	}
	return t.end()
}

func (s *stand) actions(ctx context.Context, name string) (time.Duration, error) {
	client := s.client()
	defer client.CloseIdleConnections()
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range s.o.slow {
		group.Go(func() error {
			response, err := get(ctx, client, s.url(name)+"/api/slow")
			if err != nil {
				return err
			}
			defer func() { _ = response.Body.Close() }()
			if text, err := io.ReadAll(response.Body); err != nil || string(text) != "done" {
				return fmt.Errorf("answered %s %q: %w", response.Status, text, err)
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}
