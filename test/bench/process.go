package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// process is one command of a step.
type process struct {
	argv []string
	dir  string
	env  []string
}

// sample is what a process, or several one after the other, took.
type sample struct {
	Wall, CPU time.Duration
	Memory    int64 // peak of the largest process, bytes
	starts    int
}

func (s *sample) add(other sample) {
	s.Wall += other.Wall
	s.CPU += other.CPU
	s.Memory = max(s.Memory, other.Memory)
	s.starts += other.starts
}

// run runs the process to its end, which must be a good one, and measures it from a small
// one between (measure): the kernel counts as a process's memory what the one that started
// it has held at any time.
func (p process) run(ctx context.Context) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, err
	}
	var said, failure bytes.Buffer
	command := exec.CommandContext(ctx, self, append([]string{"measure", "--"}, p.argv...)...)
	command.Dir, command.Env, command.Stdout, command.Stderr = p.dir, p.env, &said, &failure
	if err := command.Run(); err != nil {
		return sample{}, fmt.Errorf("%s: %w\n%s", strings.Join(p.argv, " "), err, failure.Bytes())
	}
	s := sample{starts: 1}
	return s, json.Unmarshal(said.Bytes(), &s)
}

// measure returns the command that runs another one and prints what it took. The memory is
// that of wait4: of the process, or of the largest of the children it waited for.
func measure() *cobra.Command {
	return &cobra.Command{
		Use: "measure -- COMMAND", Short: "Run a command and print what it took", Hidden: true,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, argv []string) error {
			command := exec.CommandContext(c.Context(), argv[0], argv[1:]...)
			command.Stdout, command.Stderr = c.ErrOrStderr(), c.ErrOrStderr()
			began := time.Now()
			if err := command.Run(); err != nil {
				return err
			}
			wall, state := time.Since(began), command.ProcessState
			usage, ok := state.SysUsage().(*syscall.Rusage)
			if !ok {
				return errors.New("the system does not tell what it used")
			}
			return json.NewEncoder(c.OutOrStdout()).Encode(sample{Wall: wall, CPU: state.UserTime() + state.SystemTime(), Memory: usage.Maxrss << 10})
		},
	}
}
