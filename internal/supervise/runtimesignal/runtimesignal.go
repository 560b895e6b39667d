//go:build amd64 || arm64

// Package runtimesignal reports when another process sends this one SIGURG or
// SIGPROF. The Go runtime keeps these two for itself, to preempt goroutines and
// to profile, and os/signal either mixes both up or reports nothing. An init
// program has to pass them on. It is not for any other signal.
//
// A few instructions in assembly stand before the runtime's own handler. They
// look at the origin of the signal: one that a process sent (kill, sigqueue) is
// written to a pipe, everything else is the runtime's and goes on to it.
//
// # Why assembly
//
// An init program that passes on all signals but two is one that some operator will
// find out about: the published tests of init programs send these two as well.
// Nothing less does it in Go. os/signal reports SIGURG with the runtime's own
// mixed in, several a second under load, and without its origin, and SIGPROF
// never. GODEBUG=asyncpreemptoff=1 would end the runtime's use of SIGURG, but
// is read once, at start, for the whole program, and does nothing for SIGPROF.
// Both would have to be blocked on every thread for signalfd, and the runtime
// unblocks SIGPROF on each thread that it makes. A handler in Go cannot run on
// the signal stack without the runtime's own entry code.
//
// The code needs nothing of the runtime's inside: it keeps the flags and the
// signal stack that are in place and asks the kernel for the handler to go on
// to. Only supervise.Exec uses it. Where it is missing, on other architectures,
// these two signals are not passed on.
package runtimesignal

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signals are the signals that Received reports.
var Signals = []syscall.Signal{unix.SIGURG, unix.SIGPROF}

// What the handler reads. Both are set before it is installed.
var (
	goHandler uintptr //nolint:unused // read by the assembly
	pipe      uintptr //nolint:unused // read by the assembly
)

// handler returns what the kernel calls; see handler_GOARCH.s.
func handler() //nolint:unused // its address is taken by the assembly

// handlerAddress returns where handler begins.
func handlerAddress() uintptr

// action is the kernel's struct sigaction.
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// Received returns the channel that gets every SIGURG and SIGPROF from another
// process. It is the same one at each call; the first call begins to listen.
var Received = sync.OnceValues(func() (<-chan os.Signal, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("cannot make a pipe for signals: %w", err)
	}
	pipe = uintptr(fds[1])
	for _, sig := range Signals {
		if err := place(sig); err != nil {
			return nil, fmt.Errorf("cannot handle %v: %w", sig, err)
		}
	}
	received := make(chan os.Signal, 64)
	go relay(os.NewFile(uintptr(fds[0]), "signals"), received)
	return received, nil
})

func relay(pipe *os.File, received chan<- os.Signal) {
	numbers := make([]byte, 64)
	for {
		n, err := pipe.Read(numbers)
		if err != nil {
			return // it is never closed
		}
		for _, number := range numbers[:n] {
			received <- syscall.Signal(number)
		}
	}
}

func place(sig syscall.Signal) error {
	var current action
	if err := sigaction(sig, nil, &current); err != nil {
		return err
	}
	// The runtime has the same handler for all signals.
	goHandler = current.handler
	current.handler = handlerAddress()
	return sigaction(sig, &current, nil)
}

func sigaction(sig syscall.Signal, next, previous *action) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig),
		uintptr(unsafe.Pointer(next)), uintptr(unsafe.Pointer(previous)), unsafe.Sizeof(next.mask), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
