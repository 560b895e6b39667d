package supervise

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The capabilities that giving up root and fixing owners need.
const (
	capChown       = capability(unix.CAP_CHOWN)
	capDACOverride = capability(unix.CAP_DAC_OVERRIDE)
	capSetGID      = capability(unix.CAP_SETGID)
	capSetUID      = capability(unix.CAP_SETUID)
)

// become gives up root and executes this program anew. Only the calling thread
// need be stripped of everything: it is the one that survives execve. A new
// program also owns its /proc folder again, which a process that changed its
// user does not.
func (p Privileges) become() error {
	runtime.LockOSThread()
	p.giveOutputs()
	dropBoundingSet()
	if err := p.switchUser(); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("cannot rule out new privileges: %w", err)
	}
	env := withVariable(os.Environ(), "HOME", p.Home)
	for _, pair := range p.Env {
		name, value, _ := strings.Cut(pair, "=")
		env = withVariable(env, name, value)
	}
	return reexec(env)
}

func (p Privileges) switchUser() error {
	if err := syscall.Setgroups([]int{p.GID}); err != nil {
		return fmt.Errorf("cannot give up root's supplementary groups: %w", err)
	}
	if err := syscall.Setresgid(p.GID, p.GID, p.GID); err != nil {
		return fmt.Errorf("cannot become gid %d (is it mapped in this user namespace?): %w", p.GID, err)
	}
	if err := syscall.Setresuid(p.UID, p.UID, p.UID); err != nil {
		return fmt.Errorf("cannot become uid %d (is it mapped in this user namespace?): %w", p.UID, err)
	}
	return nil
}

// dropBoundingSet rules out that a file's capabilities give any back. It needs
// CAP_SETPCAP; without it no_new_privs, which has the same effect, must do.
func dropBoundingSet() {
	for which := uintptr(0); which <= unix.CAP_LAST_CAP; which++ {
		if unix.Prctl(unix.PR_CAPBSET_DROP, which, 0, 0, 0) != nil {
			return
		}
	}
}

// giveOutputs lets the new user open /dev/stdout and /dev/stderr, as it could
// had the container been started as that user. Only a pipe or a terminal is
// ours to give away.
func (p Privileges) giveOutputs() {
	for _, file := range []*os.File{os.Stdout, os.Stderr} {
		info, err := file.Stat()
		if err != nil {
			continue
		}
		_, notTerminal := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
		if info.Mode()&os.ModeNamedPipe != 0 || notTerminal == nil {
			_ = file.Chown(p.UID, p.GID)
		}
	}
}
