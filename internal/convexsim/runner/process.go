package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running child. Requests and answers are lines of JSON.
type process struct {
	command  *exec.Cmd
	log      *slog.Logger
	event    func(*process, event)
	requests chan []byte
	done     chan struct{} // closed when it has ended
	err      error         // why; read it after done

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan reply
}

// event is what the child says without being asked.
type event struct {
	Event     string    `json:"event"` // commit, execution or ask
	Execution Execution `json:"execution"`
	Number    int       `json:"number"` // of what is asked for
}

// reply is the answer to a request.
type reply struct {
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"` // of the child itself, not of a function
}

// engines returns the programs that can run the child, the better one first.
func engines() []string { return []string{"node", "bun"} }

// startProcess starts the program in a folder.
func startProcess(folder, storage string, log *slog.Logger, event func(*process, event)) (*process, error) {
	engine, err := findEngine()
	if err != nil {
		return nil, err
	}
	command := exec.Command(engine, filepath.Join(folder, "main.mjs"), storage) //nolint:noctx // it ends with kill
	command.Dir = folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TZ=UTC"}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	input, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start the function runner: %w", err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start the function runner: %w", err)
	}
	errorOutput, err := command.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start the function runner: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the function runner: %w", err)
	}
	p := &process{
		command: command, log: log, event: event,
		requests: make(chan []byte), done: make(chan struct{}), waiting: map[uint64]chan reply{},
	}
	go p.live(output, errorOutput)
	go p.write(input)
	return p, nil
}

func findEngine() (string, error) {
	for _, name := range engines() {
		if found, err := exec.LookPath(name); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("cannot run functions: none of the programs %q is in the PATH", engines())
}

// lastWords is how long what a child has said is read after its end.
const lastWords = time.Second

// live reads what the child says until it has ended. What it has started may hold its
// output for longer, in a group of its own, and is not waited for.
func (p *process) live(output, errorOutput io.Reader) {
	var reading sync.WaitGroup
	allRead := make(chan struct{})
	reading.Go(func() { p.read(output) })
	reading.Go(func() {
		lines := bufio.NewScanner(errorOutput)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.log.Warn("function runner", "line", lines.Text())
		}
		_, _ = io.Copy(io.Discard, errorOutput) // after a line that is too long
	})
	go func() { reading.Wait(); close(allRead) }()
	for { // it stays a zombie, so that its group is the one that is killed
		if err := unix.Waitid(unix.P_PID, p.command.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	p.kill() // what it has started
	select {
	case <-allRead:
	case <-time.After(lastWords):
	}
	_ = p.command.Wait() // which closes what is still read
	<-allRead
	p.err = fmt.Errorf("the function runner ended (%s)", p.command.ProcessState)
	close(p.done)
}

func (p *process) read(output io.Reader) {
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var message struct {
			ID *uint64 `json:"id"`
			reply
			event
		}
		if err := json.Unmarshal(line, &message); err != nil {
			p.log.Error("the function runner does not speak JSON", "error", err)
			p.kill()
			return
		}
		if message.ID == nil {
			p.event(p, message.event)
			continue
		}
		p.mu.Lock()
		waiting := p.waiting[*message.ID]
		delete(p.waiting, *message.ID)
		p.mu.Unlock()
		if waiting != nil {
			waiting <- message.reply
		}
	}
}

// ask sends a request for an operation and decodes the answer into result.
func (p *process) ask(ctx context.Context, operation string, request, result any) error {
	answer := make(chan reply, 1)
	p.mu.Lock()
	p.next++
	id := p.next
	p.waiting[id] = answer
	p.mu.Unlock()
	line, err := json.Marshal(map[string]any{"id": id, "op": operation, "request": request})
	if err != nil {
		return fmt.Errorf("cannot encode a request to the function runner: %w", err)
	}
	select {
	case p.requests <- append(line, '\n'):
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case got := <-answer:
		if got.Error != "" {
			return fmt.Errorf("the function runner failed: %s", got.Error)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(got.Result, result)
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write sends requests. A child that does not read holds up nobody but its callers.
func (p *process) write(input io.Writer) {
	for {
		select {
		case line := <-p.requests:
			if _, err := input.Write(line); err != nil {
				return // it has ended
			}
		case <-p.done:
			return
		}
	}
}

// kill ends the child and everything that it has started.
func (p *process) kill() { _ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL) }
