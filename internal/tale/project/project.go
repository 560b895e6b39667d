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

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Names in the folder.
const (
	FileName = "tale.json"
	EnvName  = ".env"
	dataName = ".tale"
)

// Project is a folder with a tale.json.
type Project struct {
	Dir      string // absolute, and without links: what is mounted from it has one path, however it is entered
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

func open(dir string) (*Project, error) {
	file, err := readFile(filepath.Join(dir, FileName))
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
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
