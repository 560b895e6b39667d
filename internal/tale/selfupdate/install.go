package selfupdate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

const (
	// temporary begins the names of files that are not yet, or not any more, in use.
	temporary = ".tale-upgrade-"
	// tryWithin is how long the new program may take to say its version.
	tryWithin = 30 * time.Second
)

// install replaces the program by one that fill writes into a file and verify finds to be
// what it should be. Until then the file cannot be executed.
func (p *place) install(ctx context.Context, version string, fill func(*os.File) error, verify func(io.Reader) error) (err error) {
	release, held, err := p.lock()
	if err != nil {
		return err
	}
	defer release()
	if held {
		p.clear()
	}
	file, err := os.CreateTemp(p.folder(), temporary+"*")
	if err != nil {
		return fmt.Errorf("cannot write beside %s: %w", p.path, err)
	}
	defer func() {
		_ = file.Close()
		if err != nil {
			_ = os.Remove(file.Name())
		}
	}()
	if err := fill(file); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("cannot write beside %s: %w", p.path, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := verify(file); err != nil {
		return err
	}
	if err := p.equip(file); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := try(ctx, file.Name(), version); err != nil {
		return err
	}
	return p.swap(file.Name())
}

// clear removes what upgrades have left that were killed.
func (p *place) clear() {
	left, _ := filepath.Glob(filepath.Join(p.folder(), temporary+"*")) // the pattern is right
	for _, name := range left {
		_ = os.Remove(name) // it takes room, and no more
	}
}

// equip gives a file owner and permissions of the program that it replaces. Only root can
// give a file to another user.
func (p *place) equip(file *os.File) error {
	if before, ok := p.before.Sys().(*syscall.Stat_t); ok {
		if err := file.Chown(int(before.Uid), int(before.Gid)); err != nil && os.Geteuid() == 0 {
			return fmt.Errorf("cannot give %s its owner: %w", p.path, err)
		}
	}
	if err := file.Chmod(p.before.Mode().Perm()); err != nil {
		return fmt.Errorf("cannot make the new %s executable: %w", p.path, err)
	}
	return nil
}

// try runs the program once: one that is not for this machine must not take the place of
// one that is.
func try(ctx context.Context, program, version string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, tryWithin, fmt.Errorf("it has not ended within %s", tryWithin))
	defer cancel()
	var out bytes.Buffer
	command := exec.CommandContext(ctx, program, "--version")
	command.Env, command.Stdout, command.WaitDelay = []string{}, &out, time.Second
	if err := command.Run(); err != nil {
		return exit.Errorf(exit.DeployRefused, "refused: version %s does not run on this machine: %w", version, cause(ctx, err))
	}
	if got := out.String(); got != version+"\n" {
		return exit.Errorf(exit.DeployRefused, "refused: version %s says that it is %q", version, strings.TrimSpace(got))
	}
	return nil
}

// swap puts a file in the place of the program, which stays beside it. At each moment
// there is one of them.
func (p *place) swap(file string) error {
	if err := p.keep(); err != nil {
		return fmt.Errorf("cannot keep the present %s: %w", p.path, err)
	}
	if err := os.Rename(file, p.path); err != nil {
		return fmt.Errorf("cannot replace %s: %w", p.path, err)
	}
	return atomicfile.SyncFolder(p.folder())
}

// keep gives the program a second name, in one step. Where there are no such names, or
// not for the program of another user, it is a copy.
func (p *place) keep() error {
	spare := filepath.Join(p.folder(), fmt.Sprintf("%sold-%d", temporary, os.Getpid()))
	_ = os.Remove(spare) // of a process before us that had our id
	if err := os.Link(p.path, spare); err != nil {
		text, err := os.ReadFile(p.path)
		if err != nil {
			return err
		}
		return atomicfile.Write(p.kept(), text, p.before.Mode().Perm())
	}
	err := os.Rename(spare, p.kept())
	// Of two names of one file a rename removes neither.
	if removed := os.Remove(spare); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
