package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// run is one run of the command under test.
type run struct {
	command   *exec.Cmd
	out, said bytes.Buffer
	began     time.Time
	took      time.Duration
	most      atomic.Int64 // memory, bytes
	ended     chan struct{}
}

// start starts the command in the project's folder, with an operator's environment.
func (s *stack) start(ctx context.Context, args ...string) (*run, error) {
	return s.startIn(ctx, s.dir, args...)
}

func (s *stack) startIn(ctx context.Context, dir string, args ...string) (*run, error) {
	line := slices.Concat(s.through, []string{s.tale}, args)
	r := &run{command: exec.CommandContext(ctx, line[0], line[1:]...), ended: make(chan struct{})}
	r.command.Dir, r.command.Env = dir, append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, s.shell...)
	r.command.Stdout, r.command.Stderr = &r.out, &r.said
	r.command.WaitDelay = time.Second
	r.began = time.Now()
	if err := r.command.Start(); err != nil {
		return nil, err
	}
	go r.measure()
	go func() {
		defer close(r.ended)
		_ = r.command.Wait() // the state says how it ended
		r.took = time.Since(r.began)
	}()
	return r, nil
}

// measure follows how much memory the process has.
func (r *run) measure() {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.ended:
			return
		case <-tick.C:
			if now := procfs.Resident(r.command.Process.Pid); now > r.most.Load() {
				r.most.Store(now)
			}
		}
	}
}

// code waits for the end and returns the exit code, -1 after a signal.
func (r *run) code() int {
	<-r.ended
	return r.command.ProcessState.ExitCode()
}

// do runs the command to its end.
func (s *stack) do(ctx context.Context, args ...string) (*run, int) {
	r, err := s.start(ctx, args...)
	if err != nil {
		return &run{}, -1
	}
	return r, r.code()
}

// must runs what has to succeed.
func (s *stack) must(ctx context.Context, args ...string) (*run, error) {
	r, code := s.do(ctx, args...)
	if code != 0 {
		return r, fmt.Errorf("tale %s ended with %d:\n%s", strings.Join(args, " "), code, r.text())
	}
	return r, nil
}

// text returns all that a run has said.
func (r *run) text() string { return r.out.String() + r.said.String() }

// events returns what a run of --json has told.
func (r *run) events() (all []rollout.Event) {
	for lines := bufio.NewScanner(bytes.NewReader(r.out.Bytes())); lines.Scan(); {
		var event rollout.Event
		if json.Unmarshal(lines.Bytes(), &event) == nil {
			all = append(all, event)
		}
	}
	return all
}

// event returns the time of the first such event, or none.
func (r *run) event(is func(rollout.Event) bool) time.Time {
	for _, event := range r.events() {
		if is(event) {
			return event.Time
		}
	}
	return time.Time{}
}

func stageEnded(name string) func(rollout.Event) bool {
	return func(e rollout.Event) bool { return e.Kind == rollout.Ended && e.Stage == name }
}

// serving returns the running container of the web application.
func (s *stack) serving(ctx context.Context) (container, error) {
	all, err := containers(ctx, s.id)
	for name, c := range all {
		if strings.Contains(name, "-platform-") && c.State.Status == "running" {
			return c, err
		}
	}
	return container{}, errors.Join(err, errors.New("no web application runs"))
}

// next returns the version that does not serve.
func (s *stack) next(ctx context.Context) (string, error) {
	c, err := s.serving(ctx)
	return otherThan(c.version()), err
}

// otherThan returns older of newer, and newer of all else.
func otherThan(version string) string {
	if version == newer {
		return older
	}
	return newer
}

// logged returns when a container first said something, as the engine noted it.
func logged(ctx context.Context, id, text string) (time.Time, error) {
	command := exec.CommandContext(ctx, "docker", "logs", "-t", id)
	out, err := command.CombinedOutput()
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(out)) {
		if stamp, rest, _ := strings.Cut(line, " "); strings.Contains(rest, text) {
			return time.Parse(time.RFC3339Nano, stamp)
		}
	}
	return time.Time{}, fmt.Errorf("%s has not said %q", id, text)
}
