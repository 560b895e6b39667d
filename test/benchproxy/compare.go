package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// compare runs everything and prints it as it comes.
func compare(ctx context.Context, o options, out io.Writer) error {
	if err := o.find("proxy", "caddy-stock", "nginx", "wrk", "h2load"); err != nil {
		return err
	}
	s, err := newStand(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.compared(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%s\n\n", describeMachine())
	if err := s.compareIdle(ctx, out); err != nil {
		return err
	}
	if s.o.pages {
		if err := s.comparePages(ctx, out); err != nil {
			return err
		}
	}
	if err := s.compareLoads(ctx, out); err != nil {
		return err
	}
	if o.equals {
		if err := s.compareEquals(ctx, out); err != nil {
			return err
		}
	}
	if o.slow > 0 {
		if err := s.compareActions(ctx, out); err != nil {
			return err
		}
	}
	if o.sockets > 0 {
		return s.compareSockets(ctx, out)
	}
	return nil
}

// settle is how long a process is left alone before its idle memory is read.
const settle = 3 * time.Second

func (s *stand) compareIdle(ctx context.Context, out io.Writer) error {
	if !pause.For(ctx, settle) {
		return ctx.Err()
	}
	t := newTable(out, "idle, after one request", "memory", "binary")
	for _, name := range contenders {
		binary := ""
		if program := map[string]string{stock: "caddy-stock", ours: "proxy"}[name]; program != "" {
			info, err := os.Stat(s.o.program(program))
			if err != nil {
				return err
			}
			binary = fmt.Sprintf("%.1f MB", float64(info.Size())/1e6)
		}
		t.row(name, mebibytes(s.servers[name].memory()), binary)
	}
	return t.end()
}

// compareLoads gives each case to all contenders in turn, round after round, so
// that whatever else the machine does meets all of them.
func (s *stand) compareLoads(ctx context.Context, out io.Writer) error {
	t := newLoadTable(out)
	for _, protocol := range s.o.protocols {
		for _, answer := range s.o.answers {
			for _, connections := range s.o.connections {
				l := load{answer: answer, protocol: protocol, connections: connections}
				results, err := s.rounds(ctx, l)
				if err != nil {
					return err
				}
				t.add(l, results)
			}
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

func (s *stand) rounds(ctx context.Context, l load) (map[string][]result, error) {
	results := map[string][]result{}
	for round := range s.o.rounds {
		for i := range contenders {
			name := contenders[(i+round)%len(contenders)]
			r, err := s.run(ctx, name, l)
			if err != nil {
				return nil, err
			}
			results[name] = append(results[name], r)
		}
	}
	return results, nil
}

// median returns the value in the middle of what f gives for each.
func median[T any](all []T, f func(T) float64) float64 {
	values := make([]float64, len(all))
	for i, one := range all {
		values[i] = f(one)
	}
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}
