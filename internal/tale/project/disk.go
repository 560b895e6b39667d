package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// ReadFile reads a file of a project. What keeps it from that is the operator's to mend,
// but for a file that is not there, which is fs.ErrNotExist.
func ReadFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0 { // which may never end
		return nil, exit.Errorf(exit.Config, "cannot read %s: it is a pipe or a socket, where a file is wanted", path)
	}
	text, err := os.ReadFile(path)
	switch about := (&fs.PathError{}); {
	case errors.Is(err, fs.ErrNotExist):
		if target, wrong := os.Readlink(path); wrong == nil {
			return nil, exit.Errorf(exit.Config, "cannot read %s: it is a link to %s, which is not there", path, target)
		}
	case errors.Is(err, fs.ErrPermission):
		return nil, exit.Errorf(exit.NoPermission, "cannot read %s: this user may not; run tale as the owner of the project, or with sudo", path)
	case errors.Is(err, unix.EISDIR):
		return nil, exit.Errorf(exit.Config, "cannot read %s: it is a folder, where a file is wanted; rename it", path)
	case errors.As(err, &about):
		return nil, exit.Errorf(exit.Config, "cannot read %s: %w", path, about.Err)
	}
	return text, err
}

// permission gives an error of a file that this user may not write its code.
func permission(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return exit.Errorf(exit.NoPermission, "%w; run tale as the owner of the project, or with sudo", err)
	}
	return err
}

// Write puts a file below .tale, in one step and for its owner only, who is that of
// the project's folder also when root writes.
func (p *Project) Write(data []byte, elem ...string) error {
	if err := p.MakeFolder(elem[:len(elem)-1]...); err != nil {
		return err
	}
	return p.replace(p.Path(elem...), data, 0o600)
}

// Remove removes a file below .tale, which need not be there.
func (p *Project) Remove(elem ...string) error { return ignoreMissing(os.Remove(p.Path(elem...))) }

// Probe returns why nothing can be noted in the project's folder, before that is needed.
func (p *Project) Probe() error {
	const name = "probe"
	err := p.Write(nil, name)
	if err == nil {
		err = os.Remove(p.Path(name))
	}
	if err != nil {
		return exit.Errorf(exit.NoPermission, "nothing can be noted in %s, and nothing was changed: %w", p.Path(), err)
	}
	return nil
}

// MakeFolder makes a folder below .tale that is not there, and those above it, of the owner of the
// project's folder.
func (p *Project) MakeFolder(elem ...string) error {
	for i := range len(elem) + 1 {
		path := p.Path(elem[:i]...)
		err := os.Mkdir(path, 0o700)
		if err == nil {
			err = p.Give(path)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return permission(fmt.Errorf("cannot make a folder of the project: %w", err))
		}
	}
	return nil
}

func (p *Project) replace(path string, data []byte, perm fs.FileMode) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := atomicfile.Write(path, data, perm); err != nil {
		return permission(err)
	}
	return p.Give(path)
}

// Give makes what root has written the property of the folder's owner, who could not
// use it otherwise: sudo is common where an engine is.
func (p *Project) Give(path string) error {
	info, err := os.Stat(p.Dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	return os.Lchown(path, int(owner.Uid), int(owner.Gid))
}

// create makes a file that is not there yet, whole or not at all.
func (p *Project) create(path string, data []byte, perm fs.FileMode) error {
	if err := createFile(path, data, perm); err != nil {
		return err
	}
	return errors.Join(p.Give(path), atomicfile.SyncFolder(filepath.Dir(path)))
}

// createFile fails where the file is there already. The file has its mode and content
// before it has its name.
func createFile(path string, data []byte, perm fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // nothing depends on it
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Chmod(perm), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Link(temp.Name(), path)
}

// temporary is the name of a file that is not whole yet.
const temporary = ".tale-new-*"

// removeTemporary removes what an Init that was killed has left, which may hold secrets.
// The folder is locked, so no process is writing these.
func removeTemporary(dir string) {
	for _, pattern := range []string{temporary, "." + EnvName + ".[0-9]*", "..gitignore.[0-9]*", "." + FileName + ".[0-9]*"} {
		left, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are well formed
		for _, path := range left {
			_ = os.Remove(path)
		}
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
