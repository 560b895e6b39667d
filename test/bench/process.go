package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is one command of a step.
type process struct {
	argv []string
	dir  string
	env  []string
}

// sample is what a process, or several one after the other, took.
type sample struct {
	wall, cpu time.Duration
	memory    int64 // peak of the largest process, bytes
	starts    int
}

func (s *sample) add(other sample) {
	s.wall += other.wall
	s.cpu += other.cpu
	s.memory = max(s.memory, other.memory)
	s.starts += other.starts
}

// run runs the process to its end, which must be a good one. The memory is that
// of wait4: of the process, or of the largest of the children it waited for.
func (p process) run(ctx context.Context) (sample, error) {
	command := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...)
	command.Dir, command.Env = p.dir, p.env
	began := time.Now()
	output, err := command.CombinedOutput()
	wall := time.Since(began)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w\n%s", strings.Join(p.argv, " "), err, output)
	}
	usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return sample{}, fmt.Errorf("%s: the system does not tell what it used", p.argv[0])
	}
	state := command.ProcessState
	return sample{wall: wall, cpu: state.UserTime() + state.SystemTime(), memory: usage.Maxrss << 10, starts: 1}, nil
}
