package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// lookup finds the file to execute as execvp would in the child: in the PATH
// of the child's environment, a file that may not be executed being remembered
// while the search goes on.
func lookup(name, dir string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, executable(inDir(name, dir))
	}
	denied := false
	for _, folder := range filepath.SplitList(pathOf(env)) {
		if folder == "" {
			folder = "."
		}
		path := filepath.Join(folder, name)
		err := executable(inDir(path, dir))
		if err == nil {
			if !strings.Contains(path, "/") {
				path = "./" + path
			}
			return path, nil
		}
		denied = denied || exit.Code(err) == exit.NotExecutable
	}
	if denied {
		return "", exit.Errorf(exit.NotExecutable, "%s: found in PATH, but not executable by this user", name)
	}
	return "", exit.Errorf(exit.NotFound, "%s: not found in PATH (%s)", name, pathOf(env))
}

func pathOf(env []string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(env[i], "PATH="); ok {
			return value
		}
	}
	return defaultPath
}

func inDir(path, dir string) string {
	if dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return exit.Errorf(exit.NotFound, "%s: no such file", path)
	case err != nil:
		return exit.With(exit.NotExecutable, err)
	case info.IsDir():
		return exit.With(exit.NotExecutable, &refusedError{path, fmt.Errorf("%s: is a folder", path)})
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS); err != nil {
		return exit.With(exit.NotExecutable, &refusedError{path, fmt.Errorf("%s: %w (mode %04o)", path, err, info.Mode().Perm())})
	}
	return nil
}

// startError attaches 126 or 127 to what execve said, and 69 to what the machine had
// no room for.
func startError(path, dir string, err error) error {
	if errors.Is(err, syscall.EAGAIN) {
		return exit.Errorf(exit.Unavailable, "%s: the limit of processes is reached: the container's (pids_limit) or the user's (ulimit -u): %w", path, err)
	}
	if errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return exit.Errorf(exit.Unavailable, "%s: the machine or the container has no room for another process: %w", path, err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return exit.With(exit.NotExecutable, &refusedError{inDir(path, dir), fmt.Errorf("%s: %w", path, err)})
	}
	// execve answers "no such file" for a missing interpreter or loader too.
	if info, missing := os.Stat(dir); dir != "" && (missing != nil || !info.IsDir()) {
		return exit.Errorf(exit.NotFound, "%s: the working directory %s is not there", path, dir)
	}
	if _, statErr := os.Stat(inDir(path, dir)); statErr == nil {
		return exit.With(exit.NotFound, &interpreterError{path, err})
	}
	return exit.Errorf(exit.NotFound, "%s: %w", path, err)
}

// refusedError is a file that is there and is not executed.
type refusedError struct {
	path string
	error
}

func (e *refusedError) Unwrap() error { return e.error }

// Refused returns the file that err says is there and not executed, "" for none.
func Refused(err error) string {
	if refused, is := errors.AsType[*refusedError](err); is {
		return refused.path
	}
	return ""
}

// interpreterError is a file that is there, and what it says to be run by is not.
type interpreterError struct {
	path string
	err  error
}

func (e *interpreterError) Error() string {
	return fmt.Sprintf("%s: its interpreter or loader does not exist: %v", e.path, e.err)
}
func (e *interpreterError) Unwrap() error { return e.err }

// LacksInterpreter reports whether err is about a command whose interpreter or loader does
// not exist.
func LacksInterpreter(err error) bool {
	_, lacks := errors.AsType[*interpreterError](err)
	return lacks
}
