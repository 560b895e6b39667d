// Package portcheck finds out, before a service starts, that a port it is going
// to use belongs to another process. The service would find out, too, but later,
// one port at a time, and in words of its own; or not at all: a listener that
// shares its port (SO_REUSEPORT) gets half of the visitors, with no sign of it.
package portcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// Port is a port that a setting names.
type Port struct {
	Variable string // the setting
	Host     string // the setting of the address, where that is another one
	Network  string // tcp, tcp4 or udp
	Address  string // HOST:PORT
}

// Free opens the ports and closes them again. Its error tells of all those that
// cannot be opened, with what to do, and stands for exit.Config, or for
// exit.NoPermission if that is what is missing.
func Free(ctx context.Context, ports ...Port) error {
	var taken Error
	for _, port := range ports {
		if err := port.open(ctx); err != nil {
			taken.problems = append(taken.problems, problem{port, err})
		}
	}
	if len(taken.problems) == 0 {
		return nil
	}
	return &taken
}

// open never shares a port, which a listener of ours or a child's may.
func (p Port) open(ctx context.Context) error {
	var config net.ListenConfig
	if p.Network == "udp" {
		conn, err := config.ListenPacket(ctx, p.Network, p.Address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	listener, err := config.Listen(ctx, p.Network, p.Address)
	if err != nil {
		return err
	}
	return listener.Close()
}

// Error is one or more ports that cannot be opened.
type Error struct{ problems []problem }

func (e *Error) Error() string {
	var lines []string
	for _, p := range e.problems {
		lines = append(lines, p.what()+"; "+p.fix())
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives what the system said of each port.
func (e *Error) Unwrap() []error {
	var all []error
	for _, p := range e.problems {
		all = append(all, p.err)
	}
	return all
}

// ExitCode returns the exit code the error stands for.
func (e *Error) ExitCode() int {
	if errors.Is(e, syscall.EACCES) {
		return exit.NoPermission
	}
	return exit.Config
}

// Report returns what a boot says of the error wherever its reader may look.
func (e *Error) Report() report.Failure {
	var said, fixes []string
	for _, p := range e.problems {
		said, fixes = append(said, p.what()), append(fixes, p.fix())
	}
	fixes = slices.Compact(fixes)
	cause := "the kernel refuses that address"
	switch {
	case errors.Is(e, syscall.EADDRNOTAVAIL):
		cause = "the address is none of this container's"
	case errors.Is(e, syscall.EADDRINUSE):
		cause = "a port belongs to one process; as root, ss -lntup shows to which"
	case errors.Is(e, syscall.EACCES):
		cause = "this user may not listen on ports that low"
	}
	return report.New(e.ExitCode(), strings.Join(said, "\n"), cause, fixes[0], fixes[1:]...)
}

type problem struct {
	Port
	err error
}

func (p problem) what() string {
	if errors.Is(p.err, syscall.EADDRINUSE) {
		return fmt.Sprintf("cannot listen on %s/%s (%s): another process already does", p.Address, p.protocol(), p.Variable)
	}
	return fmt.Sprintf("cannot listen on %s/%s (%s): %v", p.Address, p.protocol(), p.Variable, p.err)
}

func (p problem) fix() string {
	switch {
	case errors.Is(p.err, syscall.EADDRINUSE):
		return fmt.Sprintf("stop that process, or set %s to a free port", p.Variable)
	case errors.Is(p.err, syscall.EACCES):
		return fmt.Sprintf("add the capability NET_BIND_SERVICE, which ports below 1024 need, or set %s to a higher one", p.Variable)
	}
	if errors.Is(p.err, syscall.EADDRNOTAVAIL) {
		return fmt.Sprintf("correct %s: an address of this container, or none for all of them", cmp.Or(p.Host, p.Variable))
	}
	return "correct " + p.Variable
}

func (p Port) protocol() string { return strings.TrimRight(p.Network, "46") }
