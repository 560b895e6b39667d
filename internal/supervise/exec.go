package supervise

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/supervise/runtimesignal"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/sys/signame"
	"github.com/tale-project/tale-runtime/internal/sys/stopsignal"
)

// leftoverGrace is how long processes that outlive the command of Exec
// have to end after SIGTERM. What ignores it is ended by the kernel when we
// are PID 1, and otherwise left alone.
const leftoverGrace = time.Second

// ExecOptions describe the command of Exec.
type ExecOptions struct {
	Argv []string
	Dir  string   // empty: ours
	Env  []string // the complete environment, each "NAME=VALUE"
	// Signals changes signals on their way to the command.
	Signals SignalMap
	// NoGroup runs the command in our own process group and sends signals to
	// the command alone, not to its descendants.
	NoGroup bool
}

// Exec runs one command as a small init program does: it shares our
// terminal and our input and output, gets every signal that we get, and its
// exit code, or 128+n, is in the Status. Orphans are collected meanwhile. With
// a group of its own the command has the terminal, and whatever outlives it
// gets SIGTERM at the end. A command that cannot be started is an error with
// code 126 or 127. It is for a process that does nothing else. What
// was blocked when this program started, or a SIGSEGV that was ignored, Go has
// reset before main: the command does not inherit that.
func Exec(log *slog.Logger, o ExecOptions) (Status, error) {
	e := &execution{log: log, options: o, received: stopsignal.Receive(), terminal: claimTerminal(!o.NoGroup)}
	return e.run()
}

type execution struct {
	log      *slog.Logger
	options  ExecOptions
	received chan os.Signal
	runtime  <-chan os.Signal // those that the Go runtime uses too
	terminal *terminal
	child    *Child
}

func (e *execution) run() (Status, error) {
	var err error
	if e.runtime, err = runtimesignal.Received(); err != nil {
		e.log.Debug("some signals will not be passed on", "signals", runtimesignal.Signals, "error", err.Error())
	}
	ignored := ignoredSignals()
	e.listen(func(sig syscall.Signal) bool { return !ignored[sig] })
	defer signal.Stop(e.received)
	processTable().beAlone()
	if err := e.start(); err != nil {
		return Status{}, err
	}
	// Only now, so that the command inherits what was ignored for us.
	e.listen(func(sig syscall.Signal) bool { return ignored[sig] })
	e.follow()
	e.terminal.takeBack(e.child.Pid())
	if !e.options.NoGroup && e.child.Signal(unix.SIGTERM) == nil {
		e.child.awaitGroup(leftoverGrace)
	}
	return e.child.Status(), nil
}

func (e *execution) start() error {
	o := e.options
	name := "command"
	if len(o.Argv) > 0 {
		name = filepath.Base(o.Argv[0])
	}
	dir, err := leaveDir(o.Dir)
	if err != nil {
		return err
	}
	e.child, err = start(e.log, Process{Name: name, Argv: o.Argv, Dir: dir, Env: o.Env}, startOptions{
		ownGroup: !o.NoGroup, sparesGroup: true, inherit: true, foreground: e.terminal.ours(), stops: true,
	})
	return err
}

// leaveDir goes to the root folder, so that we do not keep a file system busy
// that is to be unmounted, and returns where the command should start.
func leaveDir(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("cannot find the working directory: %w", err)
	}
	return absolute, os.Chdir("/")
}

func (e *execution) follow() {
	for {
		select {
		case sig := <-e.received:
			e.forward(sig.(syscall.Signal))
		case sig := <-e.runtime:
			e.forward(sig.(syscall.Signal))
		case sig := <-e.child.stopped:
			e.suspended(sig)
		case <-e.child.Exited():
			return
		}
	}
}

func (e *execution) forward(received syscall.Signal) {
	if received == unix.SIGCONT {
		e.terminal.lend(e.child.Pid())
	}
	if sig := e.options.Signals.target(received, !e.options.NoGroup); sig != 0 {
		if err := e.child.Signal(sig); err != nil {
			e.log.Debug("signal not passed on", "signal", signalName(sig), "error", err.Error())
		}
	}
	if suspends(received) {
		suspendSelf()
	}
}

// suspended acts on a command that the terminal has stopped: it used the
// terminal after a shell gave that to us, or the suspend key was pressed.
// Then our own shell must see us stop; without a shell (PID 1) nothing would
// ever continue the command.
func (e *execution) suspended(sig syscall.Signal) {
	switch {
	case !e.terminal.ours() || !suspends(sig):
	case sig != unix.SIGTSTP && e.terminal.lend(e.child.Pid()), os.Getpid() == 1:
		_ = e.child.Signal(unix.SIGCONT)
	default:
		suspendSelf()
	}
}

// suspendSelf stops all of this process until SIGCONT, which is passed on. It
// has no effect on PID 1.
func suspendSelf() { _ = unix.Kill(os.Getpid(), unix.SIGSTOP) }

// listen begins to receive the wanted ones of the signals that can be caught
// and mean something to the command.
func (e *execution) listen(wanted func(syscall.Signal) bool) {
	for sig := syscall.Signal(1); sig <= signame.Last; sig++ {
		switch {
		case sig == unix.SIGKILL, sig == unix.SIGSTOP, sig == unix.SIGCHLD:
		case slices.Contains(runtimesignal.Signals, sig):
		case sig > unix.SIGSYS && sig < firstRealtime: // the C library's own
		case wanted(sig):
			signal.Notify(e.received, sig)
		}
	}
}

// firstRealtime is the first real-time signal that C libraries leave free.
const firstRealtime = 35

// ignoredSignals returns those this process was started with ignored, as far as
// the Go runtime has left them so. A shell starts background jobs that way.
func ignoredSignals() map[syscall.Signal]bool {
	mask, err := procfs.StatusMask("/proc/self/status", "SigIgn:")
	ignored := map[syscall.Signal]bool{}
	for sig := syscall.Signal(1); err == nil && sig <= signame.Last; sig++ {
		ignored[sig] = mask&(1<<(uint(sig)-1)) != 0
	}
	return ignored
}
