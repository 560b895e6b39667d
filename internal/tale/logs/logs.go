// Package logs reads what the containers of a project have written, merged by time, and
// goes on with what they write: over restarts, and over the switch of a service to its
// other colour, each line once.
package logs

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Options say what is wanted.
type Options struct {
	Projects []string // of compose
	Services []string // none: all
	Colour   string   // "": both
	Since    time.Time
	Last     int // lines of what was written until now; -1: all
	Follow   bool
	// Warn hears of what goes wrong while following, which is then tried again.
	Warn func(error)
}

// Line is one line of a service.
type Line struct {
	Time      time.Time `json:"time"`
	Service   string    `json:"service"`
	Colour    string    `json:"colour,omitempty"`
	Container string    `json:"container"`
	Stream    string    `json:"stream"` // stdout, stderr
	Text      string    `json:"text"`
}

// NoneError says that there is no container to read.
type NoneError struct{}

func (NoneError) Error() string { return "no container of that kind is there" }

// Read prints the lines. With Follow it ends with the context, and without an error.
func Read(ctx context.Context, docker *engine.Engine, o Options, print func(Line) error) error {
	r := &reader{engine: docker, Options: o, print: print, sources: map[string]*source{}, lines: make(chan Line)}
	if o.Follow {
		return r.follow(ctx)
	}
	sources, err := r.list(ctx)
	if err != nil {
		return err
	}
	if len(sources) == 0 {
		return NoneError{}
	}
	return r.past(ctx, sources)
}

type reader struct {
	Options
	engine  *engine.Engine
	print   func(Line) error
	sources map[string]*source // that are followed, by container
	lines   chan Line          // of all of them

	mu   sync.Mutex
	said string // the last warning
}

// source is a container whose log is read.
type source struct {
	engine.Container
	read cursor
	wake chan struct{} // it has started
}

// list returns the containers that are there, in the order of their names.
func (r *reader) list(ctx context.Context) ([]*source, error) {
	containers, err := r.engine.Everything(ctx)
	var sources []*source
	for _, c := range containers {
		if r.wants(c) {
			sources = append(sources, &source{Container: c, wake: make(chan struct{}, 1)})
		}
	}
	slices.SortFunc(sources, func(a, b *source) int { return a.Created.Compare(b.Created) })
	return sources, err
}

func (r *reader) wants(c engine.Container) bool {
	return slices.Contains(r.Projects, c.ComposeProject) && c.Service != "" &&
		(len(r.Services) == 0 || slices.Contains(r.Services, c.Service)) &&
		(r.Colour == "" || r.Colour == c.Colour)
}

func (s *source) line(from engine.Line) Line {
	stream := "stdout"
	if from.Stderr {
		stream = "stderr"
	}
	return Line{from.Time, s.Service, s.Colour, s.Name, stream, from.Text}
}

// log yields what a source has written since it was last asked, of that the last lines,
// or all for 0.
func (r *reader) log(ctx context.Context, s *source, follow bool, last int) iter.Seq2[Line, error] {
	options := engine.LogOptions{Follow: follow, Since: s.read.since(r.Since), Tail: last, Name: s.Name}
	return func(yield func(Line, error) bool) {
		isNew := s.read.pass()
		for line, err := range r.engine.Logs(ctx, s.ID, options) {
			if err != nil {
				yield(Line{}, err)
				return
			}
			if isNew(line) && !yield(s.line(line), nil) {
				return
			}
		}
	}
}

// past prints what was written until now, merged by time. Of a log that cannot be read
// it tells at the end.
func (r *reader) past(ctx context.Context, sources []*source) error {
	var failed []error
	var heads []*head
	for _, s := range sources {
		h := &head{}
		var stop func()
		// One line has to be read to know where to go on.
		h.next, stop = iter.Pull2(r.log(ctx, s, false, max(r.Last, min(1, r.Last+1))))
		defer stop()
		heads = append(heads, h)
	}
	var last []Line
	for {
		heads = slices.DeleteFunc(heads, func(h *head) bool {
			ready := h.ready()
			if h.err != nil && ctx.Err() == nil {
				failed = append(failed, h.err)
			}
			return !ready
		})
		if len(heads) == 0 {
			break
		}
		first := slices.MinFunc(heads, func(a, b *head) int { return a.line.Time.Compare(b.line.Time) })
		first.has = false
		if r.Last < 0 {
			if err := r.print(first.line); err != nil {
				return err
			}
		} else if last = append(last, first.line); len(last) > r.Last {
			last = last[1:]
		}
	}
	for _, line := range last {
		if err := r.print(line); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// head is the next line of a log.
type head struct {
	next func() (Line, error, bool)
	line Line
	err  error
	has  bool
}

// ready reports whether there is a line.
func (h *head) ready() bool {
	if !h.has && h.err == nil {
		h.line, h.err, h.has = h.next()
	}
	return h.has && h.err == nil
}
