package selfupdate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// place is where the program is that is to be replaced.
type place struct {
	path   string // with all links followed
	before fs.FileInfo
}

// find returns the place of a program, or of this one.
func find(program string) (*place, error) {
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("cannot find the file of this command: %w", err)
		}
	}
	path, err := filepath.EvalSymlinks(program)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, exit.Errorf(exit.Temporary, "%s is gone or was replaced since this command was started: start it again", strings.TrimSuffix(program, " (deleted)"))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot find the file of this command: %w", err)
	}
	before, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("cannot look at the file of this command: %w", err)
	}
	return &place{path: path, before: before}, nil
}

func (p *place) folder() string { return filepath.Dir(p.path) }

// kept returns where the program goes when another takes its place.
func (p *place) kept() string { return p.path + ".old" }

// packaged is where packages of a system put programs.
var packaged = regexp.MustCompile(`^/(usr/(bin|sbin|lib\w*)|bin|sbin|opt)/`)

// owner returns the package manager whose file the program is, "" if there is none.
func (p *place) owner(ctx context.Context) string {
	for part, manager := range map[string]string{"/nix/store/": "Nix", "/Cellar/": "Homebrew", "/snap/": "snap"} {
		if strings.Contains(p.path, part) {
			return manager
		}
	}
	if !packaged.MatchString(p.path) {
		return "" // no package manager puts programs there
	}
	for _, ask := range [][]string{{"dpkg", "-S"}, {"rpm", "-qf"}, {"apk", "info", "--who-owns"}} {
		if asked := exec.CommandContext(ctx, ask[0], append(ask[1:], p.path)...); asked.Run() == nil {
			return ask[0]
		}
	}
	return ""
}

// inContainer reports whether the program is in a container, whose end is also its.
func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return false
}

// writable returns why the program cannot be replaced by this user, with the command
// that can.
func (p *place) writable(again string) error {
	err := unix.Access(p.folder(), unix.W_OK|unix.X_OK)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM):
		return exit.Errorf(exit.NoPermission, "cannot replace %s: this user may not write to %s: sudo %s", p.path, p.folder(), again)
	default:
		return exit.Errorf(exit.NoPermission, "cannot replace %s: %s: %w", p.path, p.folder(), err)
	}
}

// lock keeps others from replacing the program at the same time, by a lock of its folder
// that ends with this process. Where the file system has no locks there is none, which held
// reports: each step is whole by itself.
func (p *place) lock() (release func(), held bool, err error) {
	folder, err := os.Open(p.folder())
	if err != nil {
		return nil, false, fmt.Errorf("cannot lock %s: %w", p.folder(), err)
	}
	release = func() { _ = folder.Close() }
	locked := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(locked, unix.EWOULDBLOCK) {
		release()
		return nil, false, exit.Errorf(exit.Temporary, "another upgrade replaces %s at this moment: wait for its end", p.path)
	}
	if now, err := os.Stat(p.path); err == nil && os.SameFile(p.before, now) {
		return release, locked == nil, nil
	}
	release()
	return nil, false, exit.Errorf(exit.Temporary, "%s was replaced by another upgrade: look at tale --version, and start again if need be", p.path)
}
