// Package project is a deployment's folder: who the deployment is (tale.json), its
// settings (.env), what was done with it (.tale/history.jsonl), and the lock that lets
// one process at a time change it. It knows no engine and no compose file; what is in
// .tale is evidence and never decides anything.
package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Names in the folder.
const (
	FileName = "tale.json"
	EnvName  = ".env"
	dataName = ".tale"
)

// Project is a folder with a tale.json.
type Project struct {
	Dir      string // absolute
	File     File
	Warnings []string // about tale.json and .env, since Settings has read that
}

// Find returns the project that a folder belongs to: its own, or the nearest above.
func Find(from string) (*Project, error) {
	start, err := filepath.Abs(from)
	if err != nil {
		return nil, fmt.Errorf("cannot find the project: %w", err)
	}
	if info, err := os.Stat(start); err != nil || !info.IsDir() {
		return nil, exit.Errorf(exit.Config, "cannot find the project: there is no folder %s", start)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		switch p, err := open(dir); {
		case err == nil:
			return p, nil
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case dir == filepath.Dir(dir):
			return nil, exit.Errorf(exit.Config, "there is no %s in %s, nor in a folder above it: go to the project's folder or name it with --project, or make a project with: tale init", FileName, start)
		}
	}
}

// ReadFile reads a file of a project. What keeps it from that is the operator's to mend,
// but for a file that is not there, which is fs.ErrNotExist.
func ReadFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	switch about := (&fs.PathError{}); {
	case errors.Is(err, fs.ErrPermission):
		return nil, exit.Errorf(exit.NoPermission, "cannot read %s: this user may not; run tale as the owner of the project, or with sudo", path)
	case errors.Is(err, unix.EISDIR):
		return nil, exit.Errorf(exit.Config, "cannot read %s: it is a folder, where a file is wanted; rename it", path)
	case errors.As(err, &about) && !errors.Is(err, fs.ErrNotExist):
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

func open(dir string) (*Project, error) {
	file, err := readFile(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	return &Project{Dir: dir, File: file}, nil
}

// EnsureID gives the project an id if it has none, as those of the oldest tools, and
// reports whether it did.
func (p *Project) EnsureID() (made bool, err error) {
	if p.File.ID != "" {
		return false, nil
	}
	unlock, err := lockDir(p.Dir)
	if err != nil {
		return false, err
	}
	defer unlock()
	current, err := open(p.Dir)
	if err != nil {
		return false, err
	}
	p.File = current.File
	if p.File.ID != "" {
		return false, nil
	}
	p.File.ID = newID(filepath.Base(p.Dir))
	return true, p.save()
}

// lockDir keeps other processes from writing the files of a project that are read before
// they are written: two of them must not give it two ids.
func lockDir(path string) (unlock func(), err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, permission(fmt.Errorf("cannot lock the project's folder: %w", err))
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock %s: %w", path, err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil
}

func (p *Project) save() error {
	return p.replace(filepath.Join(p.Dir, FileName), p.File.encode(), 0o644)
}

// Path returns a path below .tale.
func (p *Project) Path(elem ...string) string {
	return filepath.Join(append([]string{p.Dir, dataName}, elem...)...)
}

// Write puts a file below .tale, in one step and for its owner only, who is that of
// the project's folder also when root writes.
func (p *Project) Write(data []byte, elem ...string) error {
	if err := p.makeFolder(elem[:len(elem)-1]...); err != nil {
		return err
	}
	return p.replace(p.Path(elem...), data, 0o600)
}

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

func (p *Project) makeFolder(elem ...string) error {
	for i := range len(elem) + 1 {
		path := p.Path(elem[:i]...)
		err := os.Mkdir(path, 0o700)
		if err == nil {
			err = p.give(path)
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
	return p.give(path)
}

// give makes what root has written the property of the folder's owner, who could not
// use it otherwise: sudo is common where an engine is.
func (p *Project) give(path string) error {
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

// Services returns the services that the project has, in the order in which they
// start.
func (p *Project) Services() []stack.Service {
	if len(p.File.Services) == 0 {
		return stack.Services()
	}
	return slices.DeleteFunc(stack.Services(), func(s stack.Service) bool { return !slices.Contains(p.File.Services, s.Name) })
}

// ServiceNames returns their names.
func (p *Project) ServiceNames() (names []string) {
	for _, service := range p.Services() {
		names = append(names, service.Name)
	}
	return names
}

// Has reports whether the project has a service.
func (p *Project) Has(service string) bool {
	return slices.ContainsFunc(p.Services(), func(s stack.Service) bool { return s.Name == service })
}
