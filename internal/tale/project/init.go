package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Options are what Init is told. What is "" is not asked for.
type Options struct {
	Dir      string
	Name     string
	Services []string
	Images   map[string]string // by service, instead of Tale's own
	// Settings are by variable; a default is made of what is not there.
	Settings map[string]string
	Force    bool // replace settings that have another value, but no secrets
	NoEnv    bool
	Version  string // of this command
	// Migrations are those that a new project never needs.
	Migrations []string
}

// Result is what Init has done.
type Result struct {
	Dir     string   `json:"folder"`
	ID      string   `json:"id"`
	Made    []string `json:"made"`    // files and folders
	Changed []string `json:"changed"` // files
	Added   []string `json:"added"`   // variables that have a value now
}

// ignored are the lines of .gitignore: secrets, and backups, which go into this folder if
// none is named.
var ignored = []string{
	".tale/", ".env", ".history/", "compose.override.yml", "compose.override.yaml", "**/*.secrets.json",
	"*.tar", "*.tar.age", "*.tar.partial", "*.tar.age.partial",
}

// Folders returns those of a project that Tale's application reads.
func Folders() []string {
	return []string{"agents", "workflows", "integrations", "branding", "providers"}
}

// Init makes a project, or completes one: what is there stays. It checks everything
// before it writes anything, and writes tale.json last, so that after a kill another
// Init goes on.
func Init(o Options) (Result, error) {
	if _, err := os.Stat(o.Dir); err == nil {
		unlock, err := lockDir(o.Dir)
		if err != nil {
			return Result{}, err
		}
		defer unlock()
		removeTemporary(o.Dir)
	}
	p, fresh, err := o.project()
	if err != nil {
		return Result{}, err
	}
	r := Result{Dir: p.Dir, ID: p.File.ID}
	var env envChange
	if !o.NoEnv {
		if env, err = o.env(p); err != nil {
			return Result{}, err
		}
	}
	if err := os.MkdirAll(p.Dir, 0o755); err != nil { //nolint:gosec // as mkdir makes it
		return Result{}, unmade(err)
	}
	for _, step := range []func() error{
		func() error { return p.ignore(&r) },
		func() error { return env.write(p, &r) },
		func() error { return p.makeFolders(&r) },
		func() error {
			if !fresh {
				return nil
			}
			return p.LogMigrations(o.Version, o.Migrations, nil)
		},
		func() error { return p.keep(fresh, &r) },
	} {
		if err := step(); err != nil {
			return r, unmade(err)
		}
	}
	return r, nil
}

// unmade says why a project could not be made.
func unmade(err error) error {
	if about, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrPermission) {
		return exit.Errorf(exit.NoPermission, "cannot make the project: this user may not write into the folder %s", filepath.Dir(about.Path))
	}
	return fmt.Errorf("cannot make the project: %w", err)
}

// project returns the folder's project as it will be, and whether it has none yet.
func (o Options) project() (p *Project, fresh bool, err error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, false, fmt.Errorf("cannot make the project: %w", err)
	}
	p, err = open(dir)
	if fresh = errors.Is(err, fs.ErrNotExist); fresh {
		created := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
		p, err = &Project{Dir: dir, File: File{Version: formVersion, CLIVersion: o.Version, CreatedAt: created}}, nil
	}
	if err != nil {
		return nil, false, err
	}
	if o.Name != "" && !nameForm.MatchString(o.Name) {
		return nil, false, config.Problems{{Variable: "--name", Wrong: fmt.Sprintf("%q is malformed", o.Name), Accepted: "lower-case letters, digits, - and _"}}
	}
	var refused error // by what is there
	if p.File.Name != "" && o.Name != "" && o.Name != p.File.Name && !o.Force {
		refused = differs("--name", FileName, p.File.Name)
	}
	if len(p.File.Services) > 0 && len(o.Services) > 0 && !slices.Equal(o.Services, p.File.Services) && !o.Force {
		refused = cmp.Or(refused, differs("--services", FileName, strings.Join(p.File.Services, ",")))
	}
	p.File.Name = cmp.Or(o.Name, p.File.Name)
	refused = cmp.Or(refused, o.images(p))
	switch {
	case len(o.Services) > 0:
		p.File.Services = o.Services
	case fresh && o.Images[stack.Platform] != "":
		p.File.Services = []string{stack.DB, stack.Convex, stack.Platform, stack.Proxy} // the others are for Tale's application
	}
	p.File.ID = cmp.Or(p.File.ID, newID(cmp.Or(o.Name, filepath.Base(dir))))
	return p, fresh, cmp.Or(p.File.validate().Err(), refused)
}

// images gives a project those that were asked for, and refuses those that differ.
func (o Options) images(p *Project) (refused error) {
	for _, service := range slices.Sorted(maps.Keys(o.Images)) {
		image, there := o.Images[service], p.File.Images[service]
		if there != "" && there != image && !o.Force {
			refused = cmp.Or(refused, differs("--image of "+service, FileName, there))
		}
		if p.File.Images == nil {
			p.File.Images = map[string]string{}
		}
		p.File.Images[service] = image
	}
	return refused
}

func differs(flag, file, value string) error {
	return exit.Errorf(exit.Usage, "%s is another value than %s has, %q: leave the flag out, or replace the value with --force", flag, file, value)
}

func (p *Project) keep(fresh bool, r *Result) error {
	path, text := filepath.Join(p.Dir, FileName), p.File.encode()
	if fresh {
		r.Made = append(r.Made, FileName)
		return p.create(path, text, 0o644)
	}
	if before, err := os.ReadFile(path); err == nil && string(before) == string(text) {
		return nil
	}
	r.Changed = append(r.Changed, FileName)
	return p.save()
}

func (p *Project) ignore(r *Result) error {
	path := filepath.Join(p.Dir, ".gitignore")
	before, err := ReadFile(path)
	if ignoreMissing(err) != nil {
		return err
	}
	text := string(before)
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for _, line := range ignored {
		if slices.Contains(lines, line) {
			continue
		}
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		text += line + "\n"
	}
	switch {
	case text == string(before):
		return nil
	case err != nil:
		r.Made = append(r.Made, ".gitignore")
	default:
		r.Changed = append(r.Changed, ".gitignore")
	}
	return p.replace(path, []byte(text), 0o644)
}

// makeFolders makes those of Tale's application, where the project has it.
func (p *Project) makeFolders(r *Result) error {
	if !p.Has(stack.Platform) || p.File.Images[stack.Platform] != "" {
		return nil
	}
	for _, name := range Folders() {
		path, perm := filepath.Join(p.Dir, name), fs.FileMode(0o755)
		if name == "providers" { // it has secrets
			perm = 0o700
		}
		switch err := os.Mkdir(path, perm); {
		case errors.Is(err, fs.ErrExist):
		case err != nil:
			return err
		default:
			r.Made = append(r.Made, name+"/")
			if err := p.Give(path); err != nil {
				return err
			}
		}
	}
	return nil
}
