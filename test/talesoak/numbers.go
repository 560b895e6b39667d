package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

const (
	sizeLimit   = 22 << 20
	memoryLimit = 40 << 20
	noopLimit   = 1500 * time.Millisecond
	statusLimit = 150 * time.Millisecond
	often       = 20 // a median is of so many
)

// numbers measures what a run costs when there is little or nothing to do.
func (s *stack) numbers(ctx context.Context) error {
	if err := s.ofTheBinary(ctx); err != nil {
		return err
	}
	first, err := s.must(ctx, "deploy", "--yes", "--version", older)
	if err != nil {
		return err
	}
	fmt.Printf("  the first deploy took %s\n", first.took.Round(time.Millisecond))
	s.median(ctx, statusLimit, "status") // how often it asks the engine is a test of its package
	for _, way := range []struct {
		name string
		code int
		args []string
		run  func(context.Context, ...string) (*run, int)
	}{
		{"a deploy with nothing to do", 0, []string{"deploy", "--version", older}, s.do},
		{"the same without network", 0, []string{"deploy", "--version", older}, s.withoutNetwork},
		{"a dry run with nothing to do", 0, []string{"deploy", "--dry-run", "--version", older}, s.do},
		{"a dry run with something to do", exit.Pending, []string{"deploy", "--dry-run", "--version", newer}, s.do},
	} {
		if err := s.touchesNothing(ctx, way.name, way.code, way.args, way.run); err != nil {
			return err
		}
	}
	r, code := s.do(ctx, "deploy", "--version", "9.9.9")
	s.within("pre-flight refuses a release that no registry has", r.took, 3*time.Second)
	s.want(code == exit.Unavailable, "its exit code", exit.Unavailable, code)
	return s.idleSwitch(ctx)
}

func (s *stack) ofTheBinary(ctx context.Context) error {
	file, err := os.Stat(s.tale)
	if err != nil {
		return err
	}
	s.want(file.Size() <= sizeLimit, "size of tale", "≤ 22 MiB", fmt.Sprintf("%.1f MiB", float64(file.Size())/(1<<20)))
	s.median(ctx, 20*time.Millisecond, "--version")
	return nil
}

// median measures what a command takes that only looks.
func (s *stack) median(ctx context.Context, limit time.Duration, args ...string) {
	var took []time.Duration
	for range often {
		r, _ := s.do(ctx, args...)
		took = append(took, r.took)
	}
	s.within(fmt.Sprintf("tale %s, the median of %d", strings.Join(args, " "), often), slices.Sorted(slices.Values(took))[often/2], limit)
}

// withoutNetwork runs it in a network of its own, which has not even a loopback.
func (s *stack) withoutNetwork(ctx context.Context, args ...string) (*run, int) {
	return s.by([]string{"/usr/bin/unshare", "--net"}, nil).do(ctx, args...)
}

// touchesNothing runs what has nothing to change.
func (s *stack) touchesNothing(ctx context.Context, name string, want int, args []string, do func(context.Context, ...string) (*run, int)) error {
	before, err := containers(ctx, s.id)
	if err != nil {
		return err
	}
	files := s.files()
	events := listen(ctx, s.id)
	r, code := do(ctx, args...)
	heard := events.stop()
	after, err := containers(ctx, s.id)
	if err != nil {
		return err
	}
	s.within(name, r.took, noopLimit)
	if code != want {
		s.want(false, name+", exit code", want, fmt.Sprintf("%d: %s", code, r.text()))
	}
	s.want(maps.EqualFunc(before, after, func(a, b container) bool { return a.ID == b.ID && a.State == b.State }), name+", containers untouched", true, len(after))
	s.want(len(heard) == 0, name+", engine events but for questions asked inside", 0, strings.Join(heard, ", ")+fmt.Sprint(len(heard)))
	if slices.Contains(args, "--dry-run") {
		s.want(maps.Equal(files, s.files()), name+", no file written", true, len(files))
	}
	return nil
}

// files returns what the project's folder holds, by name.
func (s *stack) files() map[string]string {
	found := map[string]string{}
	_ = filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		found[path] = fmt.Sprint(info.ModTime(), info.Size(), info.Mode())
		return err
	})
	return found
}

// listener hears every event of the engine that names what belongs to a project.
type listener struct {
	command *exec.Cmd
	out     bytes.Buffer
	id      string
}

func listen(ctx context.Context, id string) *listener {
	l := &listener{command: exec.CommandContext(ctx, "docker", "events", "--since", time.Now().Format(time.RFC3339Nano), "--format", "{{json .}}"), id: id}
	l.command.Stdout = &l.out
	_ = l.command.Start() // without an event everything is missed, which shows in the switches
	return l
}

// stop returns the events in short, without health checks and execs, which are how a
// container's own programs are asked.
func (l *listener) stop() (heard []string) {
	for _, e := range l.end() {
		if !strings.HasPrefix(e.Action, "exec_") && !strings.HasPrefix(e.Action, "health_status") {
			heard = append(heard, e.Type+" "+e.Action+" "+e.Actor.Attributes["name"])
		}
	}
	return heard
}

type engineEvent struct {
	Type, Action string
	TimeNano     int64
	Actor        struct {
		ID         string
		Attributes map[string]string
	}
}

func (e engineEvent) at() time.Time { return time.Unix(0, e.TimeNano) }

func (l *listener) end() (events []engineEvent) {
	_ = l.command.Process.Signal(syscall.SIGTERM)
	_ = l.command.Wait() // after a signal
	for line := range strings.Lines(l.out.String()) {
		var e engineEvent
		if json.Unmarshal([]byte(line), &e) == nil && strings.Contains(line, l.id) {
			events = append(events, e)
		}
	}
	return events
}

// idleSwitch measures a switch without visitors.
func (s *stack) idleSwitch(ctx context.Context) error {
	m, err := s.switchTo(ctx, "deploy", "--version", newer)
	if err != nil {
		return err
	}
	s.within("switch seen after green is ready", m.seen.Sub(m.ready), 3*time.Second)
	s.within("blue is gone after the switch, when idle", m.gone.Sub(m.seen), 10*time.Second)
	s.want(m.memory <= memoryLimit, "memory of tale while deploying", "≤ 40 MiB", fmt.Sprintf("%.1f MiB", float64(m.memory)/(1<<20)))
	return nil
}

// moments of a switch.
type moments struct {
	began, ready, seen, gone time.Time
	memory                   int64
}

// switchTo deploys or rolls back, and measures when what happened.
func (s *stack) switchTo(ctx context.Context, args ...string) (m moments, err error) {
	blue, err := s.serving(ctx)
	if err != nil {
		return m, err
	}
	r, err := s.must(ctx, append(args, "--json")...)
	if err != nil {
		return m, err
	}
	green, err := s.serving(ctx)
	if err != nil {
		return m, err
	}
	if green.Name == blue.Name {
		return m, fmt.Errorf("tale %s has not switched: %s", strings.Join(args, " "), r.out.String())
	}
	m.began, m.memory = r.began, r.most.Load()
	if m.ready, err = logged(ctx, green.ID, "platform is ready"); err != nil {
		return m, err
	}
	m.seen = r.event(stageEnded("switch"))
	all, err := containers(ctx, s.id)
	m.gone = all[blue.Name].State.FinishedAt
	if m.seen.IsZero() || m.gone.IsZero() {
		err = errors.Join(err, fmt.Errorf("no switch or no end of %s in: %s", blue.Name, r.out.String()))
	}
	return m, err
}

func failedEvent(e rollout.Event) bool { return e.Kind == rollout.Failed }
