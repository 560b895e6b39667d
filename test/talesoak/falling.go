package main

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// falls lets releases end once visitors have come to them.
func (s *stack) falls(ctx context.Context) error {
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	for _, forGood := range []bool{false, true, true, false} { // each finds what the other has left
		if err := s.falling(ctx, forGood); err != nil {
			return err
		}
	}
	return nil
}

// falling deploys a release that ends while the one before it drains: that is said, and the way
// back leads to the one before, whether or not the engine starts the new one again.
func (s *stack) falling(ctx context.Context, forGood bool) error {
	name := map[bool]string{false: "green ends after the visit, and comes again: ", true: "green ends after the visit, for good: "}[forGood]
	before, err := s.serving(ctx)
	if err != nil {
		return err
	}
	kill, err := firstEvent(ctx, "--filter", "container="+before.ID, "--filter", "event=kill")
	if err != nil {
		return err
	}
	r, err := s.start(ctx, "deploy", "--version", newer)
	if err != nil {
		return err
	}
	if err := kill(); err != nil {
		return fmt.Errorf("%w\n%s", err, r.text())
	}
	if err := s.end(ctx, newer, forGood); err != nil {
		return err
	}
	code := r.code()
	s.want(code == exit.Degraded && strings.Contains(r.text(), "has failed since it was visited"), name+"exit code", exit.Degraded, fmt.Sprint(code, " ", last(r.text())))
	back, code := s.do(ctx, "rollback")
	s.want(code == 0, name+"rollback", 0, fmt.Sprint(code, " ", last(back.text())))
	now, err := s.serving(ctx)
	if err == nil {
		s.want(now.version() == before.version(), name+"serves afterwards", before.version(), now.version())
	}
	return err
}

// end ends the web application of a version: by hand, after which it stays so, or as if by itself.
func (s *stack) end(ctx context.Context, version string, forGood bool) error {
	all, err := containers(ctx, s.id)
	for name, c := range all {
		if !strings.Contains(name, "-platform-") || c.version() != version || c.State.Status != "running" {
			continue
		}
		if forGood {
			_, err := docker(ctx, "kill", c.ID)
			return err
		}
		out, err := docker(ctx, "inspect", "-f", "{{.State.Pid}}", c.ID)
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(out))
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGKILL)
	}
	return fmt.Errorf("version %s does not run: %w", version, err)
}

// firstEvent listens to the engine, and returns what waits for the first event that filters fit.
func firstEvent(ctx context.Context, filters ...string) (wait func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, "docker", append([]string{"events"}, filters...)...)
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	return func() error {
		defer func() { cancel(); _ = command.Wait() }() // it was ended here
		if lines := bufio.NewScanner(out); !lines.Scan() {
			return fmt.Errorf("docker events has told nothing: %w", lines.Err())
		}
		return nil
	}, err
}

// last returns the last line of a text.
func last(text string) string {
	text = strings.TrimRight(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:]
}
