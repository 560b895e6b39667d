package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc (USER_HZ, always 100 on Linux).
const ticksPerSecond = 100

// process is a running server with its children.
type process struct {
	name    string
	command *exec.Cmd
	output  output
}

// output keeps the beginning of what a process writes, for when it does not
// start, and takes the rest as a container engine would: from a pipe.
type output struct {
	mu    sync.Mutex
	begin bytes.Buffer
}

const outputKept = 4 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := outputKept - o.begin.Len(); room > 0 {
		o.begin.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.begin.String()
}

func start(ctx context.Context, name string, env []string, argv ...string) (*process, error) {
	p := &process{name: name, command: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	p.command.Env = env
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	p.command.Cancel = func() error { return p.command.Process.Signal(syscall.SIGTERM) }
	p.command.WaitDelay = 10 * time.Second
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	return p, nil
}

func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	_ = p.command.Wait() // it was ended by us
}

// pids returns the process and its children: nginx serves from those.
func (p *process) pids() []int {
	pid := p.command.Process.Pid
	all := []int{pid}
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for field := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, child)
		}
	}
	return all
}

// cpu returns the CPU time used so far.
func (p *process) cpu() time.Duration {
	var ticks int
	for _, pid := range p.pids() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, after, _ := bytes.Cut(text, []byte(") ")) // the name may hold blanks
		fields := strings.Fields(string(after))
		if len(fields) < 13 {
			continue
		}
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		ticks += user + system
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// memory returns the resident memory, in bytes.
func (p *process) memory() int64 {
	var all int64
	for _, pid := range p.pids() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "VmRSS:" {
				kib, _ := strconv.ParseInt(fields[1], 10, 64)
				all += kib << 10
			}
		}
	}
	return all
}
