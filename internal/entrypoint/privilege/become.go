package privilege

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The capabilities that giving up root and fixing owners need.
const (
	capChown       = capability(unix.CAP_CHOWN)
	capDACOverride = capability(unix.CAP_DAC_OVERRIDE)
	capSetGID      = capability(unix.CAP_SETGID)
	capSetUID      = capability(unix.CAP_SETUID)
)

// become gives up root on all threads of this process. Executing the program
// anew would do so too, but a stop that PID 1 is asked for in that moment is
// lost: the kernel ignores a signal to a PID 1 that does not listen.
func (d Drop) become() error {
	d.giveOutputs()
	dropBoundingSet()
	if err := d.switchUser(); err != nil {
		return err
	}
	if err := clearCapabilities(); err != nil {
		return fmt.Errorf("cannot give up root's capabilities: %w", err)
	}
	if err := prctlAllThreads(unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return fmt.Errorf("cannot rule out new privileges: %w", err)
	}
	return nil
}

// hideMemory keeps other processes of the same user, which our children are,
// from reading in /proc the environment and the memory of this one: secrets are
// there that they are not given. A program that we start does not inherit it.
func hideMemory() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot keep our memory from other processes: %w", err)
	}
	return nil
}

func prctlAllThreads(option, value uintptr) error {
	return onAllThreads(unix.SYS_PRCTL, option, value)
}

// clearCapabilities takes away what a change of the user leaves: the inheritable
// ones, and all of them where the securebits say that root is nothing special.
func clearCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return onAllThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)))
}

// onAllThreads changes an attribute that each thread has for itself. In a
// program built with cgo, as tests with the race detector are and nothing that
// we ship is, Go does not know all threads: there it is this one alone.
//
//go:uintptrescapes
func onAllThreads(call, a, b uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(call, a, b, 0, 0, 0, 0)
	if errno == unix.ENOTSUP {
		_, _, errno = unix.RawSyscall6(call, a, b, 0, 0, 0, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

func (d Drop) switchUser() error {
	if err := syscall.Setgroups([]int{d.GID}); err != nil {
		return fmt.Errorf("cannot give up root's supplementary groups: %w", err)
	}
	if err := syscall.Setresgid(d.GID, d.GID, d.GID); err != nil {
		return fmt.Errorf("cannot become gid %d (is it mapped in this user namespace, and does the seccomp profile of the container allow it?): %w", d.GID, err)
	}
	if err := syscall.Setresuid(d.UID, d.UID, d.UID); err != nil {
		return fmt.Errorf("cannot become uid %d (is it mapped in this user namespace, and does the seccomp profile of the container allow it?): %w", d.UID, err)
	}
	return nil
}

// dropBoundingSet rules out that a file's capabilities give any back. It needs
// CAP_SETPCAP; without it no_new_privs, which has the same effect, must do.
func dropBoundingSet() {
	for which := uintptr(0); which <= unix.CAP_LAST_CAP; which++ {
		if prctlAllThreads(unix.PR_CAPBSET_DROP, which) != nil {
			return
		}
	}
}

// giveOutputs lets the new user open /dev/stdout and /dev/stderr, as it could
// had the container been started as that user. Only a pipe or a terminal is
// ours to give away.
func (d Drop) giveOutputs() {
	for _, file := range []*os.File{os.Stdout, os.Stderr} {
		info, err := file.Stat()
		if err != nil {
			continue
		}
		_, notTerminal := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
		if info.Mode()&os.ModeNamedPipe != 0 || notTerminal == nil {
			_ = file.Chown(d.UID, d.GID)
		}
	}
}
