package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// calm is how long it stays quiet between two switches, for the times of a steady site.
const calm = 6 * time.Second

// underLoad deploys and rolls back in turn while visitors come.
func (s *stack) underLoad(ctx context.Context) error {
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	l, err := s.newLoad(ctx)
	if err != nil {
		return err
	}
	sockets, err := l.hold(s.sockets)
	if err != nil {
		return err
	}
	l.mixed(s.rate)
	began := time.Now()
	all, err := s.turns(ctx, l)
	lasted := time.Since(began)
	l.finish()
	_, lost := sockets.Close()
	for _, f := range l.failures[:min(10, len(l.failures))] {
		fmt.Println("       ", f.what)
	}
	if err != nil {
		return err
	}
	s.report(l, all)
	s.want(float64(len(l.times.Of(func(time.Time) bool { return true })))/lasted.Seconds() >= .98*float64(s.rate), "requests per second", s.rate, int(float64(l.asked)/lasted.Seconds()))
	fmt.Printf("  %d requests, %d of them downloads of %d s\n", l.asked, l.downloads, downloadTakes)
	s.want(len(l.failures) == 0, "failed requests", 0, len(l.failures))
	s.want(len(lost) == 0, fmt.Sprintf("closed sockets of %d", s.sockets), 0, fmt.Sprintf("%d %.300q", len(lost), lost[:min(3, len(lost))]))
	return nil
}

func (s *stack) turns(ctx context.Context, l *load) (all []moments, err error) {
	pause.For(ctx, 2*calm)
	for i := range s.switches {
		args := []string{"rollback"}
		if i%2 == 0 {
			args = []string{"deploy", "--version", newer}
		}
		m, err := s.switchTo(ctx, args...)
		if err != nil {
			return nil, err
		}
		fmt.Printf("  %2d %-8s ready after %4.1f s, seen %4.2f s later, blue gone %4.1f s after that, %.1f MiB, %d failed\n", i+1, args[0],
			m.ready.Sub(m.began).Seconds(), m.seen.Sub(m.ready).Seconds(), m.gone.Sub(m.seen).Seconds(), float64(m.memory)/(1<<20), len(l.failed()))
		all = append(all, m)
		if !pause.For(ctx, calm) {
			return nil, ctx.Err()
		}
	}
	return all, nil
}

// report tells the times of all switches.
func (s *stack) report(l *load, all []moments) {
	during := func(from, to func(moments) time.Time) func(time.Time) bool {
		return func(asked time.Time) bool {
			return slices.ContainsFunc(all, func(m moments) bool { return asked.After(from(m)) && asked.Before(to(m)) })
		}
	}
	start, ready := func(m moments) time.Time { return m.began }, func(m moments) time.Time { return m.ready }
	gone := func(m moments) time.Time { return m.gone }
	busy := during(start, gone)
	steady := l.times.Of(func(asked time.Time) bool { return !busy(asked) })
	boot, turn := l.times.Of(during(start, ready)), l.times.Of(during(ready, gone))
	fmt.Printf("  answers: steady p50 %v, p99 %v; while green boots p99 %v; while it takes over p50 %v, p99 %v, at most %v\n",
		steady.At(.5), steady.At(.99), boot.At(.99), turn.At(.5), turn.At(.99), turn.At(1))
	s.within("p99 during a switch, at most three times the steady one", turn.At(.99), 3*steady.At(.99))
	var seen time.Duration
	var memory int64
	for _, m := range all {
		seen, memory = max(seen, m.seen.Sub(m.ready)), max(memory, m.memory)
	}
	s.within("switch seen after green is ready, at most", seen, 3*time.Second)
	s.want(memory <= memoryLimit, "memory of tale while deploying, at most", "≤ 40 MiB", fmt.Sprintf("%.1f MiB", float64(memory)/(1<<20)))
}
