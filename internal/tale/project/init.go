package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Options are what Init is told. What is "" is not asked for.
type Options struct {
	Dir      string
	Name     string
	Services []string
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

// temporary is the name of a file that is not whole yet.
const temporary = ".tale-new-*"

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
	if p.File.Name != "" && o.Name != "" && o.Name != p.File.Name && !o.Force {
		return nil, false, differs("--name", FileName, p.File.Name)
	}
	if len(p.File.Services) > 0 && len(o.Services) > 0 && !slices.Equal(o.Services, p.File.Services) && !o.Force {
		return nil, false, differs("--services", FileName, strings.Join(p.File.Services, ","))
	}
	p.File.Name = cmp.Or(o.Name, p.File.Name)
	if len(o.Services) > 0 {
		p.File.Services = o.Services
	}
	p.File.ID = cmp.Or(p.File.ID, newID(cmp.Or(o.Name, filepath.Base(dir))))
	return p, fresh, p.File.validate().Err()
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
			if err := p.give(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// create makes a file that is not there yet, whole or not at all.
func (p *Project) create(path string, data []byte, perm fs.FileMode) error {
	if err := createFile(path, data, perm); err != nil {
		return err
	}
	return errors.Join(p.give(path), atomicfile.SyncFolder(filepath.Dir(path)))
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

// envChange is what becomes of .env.
type envChange struct {
	before, after string
	there         bool // it is no new file
	added         []string
}

func (e envChange) write(p *Project, r *Result) error {
	r.Added = e.added
	if !e.there && e.after != "" {
		r.Made = append(r.Made, EnvName)
		return p.create(p.envPath(), []byte(e.after), 0o600)
	}
	info, err := os.Stat(p.envPath())
	if err != nil || (e.before == e.after && info.Mode().Perm()&0o077 == 0) {
		return ignoreMissing(err)
	}
	r.Changed = append(r.Changed, EnvName)
	return p.replace(p.envPath(), []byte(e.after), 0o600)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// env returns what .env is to become.
func (o Options) env(p *Project) (envChange, error) {
	content, err := ReadFile(p.envPath())
	e := envChange{before: string(content), there: err == nil}
	if ignoreMissing(err) != nil {
		return e, err
	}
	values, text := parseEnv(e.before, nil)
	if err := text.problems.Err(); err != nil {
		return e, err
	}
	wanted, err := o.wanted(values)
	if err != nil {
		return e, err
	}
	settings := Settings{}
	for name, value := range values {
		settings[name] = Value{value, FromFile}
	}
	for _, v := range wanted {
		settings[v.name] = Value{v.value, FromFile}
		e.added = append(e.added, v.name)
	}
	if problems := p.check(settings, o.where(&text)); len(problems) > 0 {
		return e, problems
	}
	e.after = text.with(wanted)
	if len(wanted) == 0 {
		e.after = e.before
	} else if !e.there {
		e.after = envHead + e.after
	}
	return e, nil
}

// where says by which flag, or on which line, a variable is set.
func (o Options) where(text *envText) func(name string) string {
	return func(name string) string {
		switch {
		case o.Settings[name] != "":
			return " (" + flags[name] + ")"
		case text.lineOf(name) > 0:
			return fmt.Sprintf(" (%s, line %d)", EnvName, text.lineOf(name))
		default:
			return ""
		}
	}
}

// flags are the flags of tale init by the variables that they set.
var flags = map[string]string{
	"HOST": "--host", "SITE_URL": "--site-url", "TLS_MODE": "--tls", "TLS_EMAIL": "--tls-email", "BASE_PATH": "--base-path",
	"POSTGRES_URL": "--database-url", stack.Registry: "--registry",
}

// wanted returns the variables that get a value: those that were asked for, and those
// that every project has and this one lacks.
func (o Options) wanted(have map[string]string) ([]variable, error) {
	asked, err := o.asked(have)
	if err != nil {
		return nil, err
	}
	site := []variable{
		{"HOST", cmp.Or(asked["HOST"], "localhost"), ""},
		{"SITE_URL", cmp.Or(asked["SITE_URL"], "https://"+stack.InURL(cmp.Or(have["HOST"], "localhost"))), "The address that visitors see."},
		{"BASE_PATH", asked["BASE_PATH"], ""},
		{"TLS_MODE", cmp.Or(asked["TLS_MODE"], stack.TLSSelfSigned), "selfsigned, letsencrypt, or external behind a TLS terminator of your own."},
		{"TLS_EMAIL", asked["TLS_EMAIL"], ""},
		{stack.Registry, asked[stack.Registry], "Where the images are."},
		{"POSTGRES_URL", asked["POSTGRES_URL"], ""},
	}
	var wanted []variable
	for _, v := range append(site, secrets(have["POSTGRES_URL"] == "" && asked["POSTGRES_URL"] == "")...) {
		switch there := have[v.name]; {
		case v.value == "" || there == v.value || (there != "" && asked[v.name] == ""):
		case there == "" || (o.Force && v.name != "POSTGRES_URL"):
			wanted = append(wanted, v)
		case v.name == "POSTGRES_URL":
			return nil, exit.Errorf(exit.Usage, "%s is another value than %s has; tale init never replaces a secret: edit the file", flags[v.name], EnvName)
		default:
			return nil, differs(flags[v.name], EnvName, there)
		}
	}
	return wanted, nil
}

// asked returns the settings that were asked for, with HOST and SITE_URL made of one
// another where they belong together.
func (o Options) asked(have map[string]string) (map[string]string, error) {
	asked := map[string]string{}
	for name, value := range o.Settings {
		if flags[name] == "" {
			return nil, fmt.Errorf("tale init does not set %s", name)
		}
		asked[name] = value
	}
	site, err := url.Parse(asked["SITE_URL"])
	if err != nil {
		return nil, config.CheckHTTPURL("--site-url", asked["SITE_URL"]).Err()
	}
	before, err := url.Parse(have["SITE_URL"])
	if together := err == nil && before.Hostname() == have["HOST"]; together {
		switch host := asked["HOST"]; {
		case host == "":
			asked["HOST"] = site.Hostname()
		case asked["SITE_URL"] == "" && before.Port() != "":
			asked["SITE_URL"] = before.Scheme + "://" + net.JoinHostPort(host, before.Port())
		case asked["SITE_URL"] == "":
			asked["SITE_URL"] = cmp.Or(before.Scheme, "https") + "://" + stack.InURL(host)
		}
	}
	host := cmp.Or(asked["HOST"], site.Hostname(), have["HOST"], "localhost")
	if asked["TLS_MODE"] == stack.TLSLetsEncrypt && !Public(host) {
		return nil, exit.Errorf(exit.Usage, "--tls letsencrypt needs a host name that the internet knows, and %q is none: name it with --host", host)
	}
	return asked, nil
}

// Public reports whether a host may have a certificate of a public authority.
func Public(host string) bool {
	return strings.Contains(host, ".") && !strings.Contains(host, ":") && !slices.ContainsFunc([]string{".local", ".localhost", ".internal", ".test"}, func(suffix string) bool {
		return strings.HasSuffix(strings.ToLower(host), suffix)
	})
}

// ReadEnv returns the variables of a folder's .env, none where there is no such file.
func ReadEnv(dir string) (map[string]string, error) {
	content, err := ReadFile(filepath.Join(dir, EnvName))
	if ignoreMissing(err) != nil {
		return nil, err
	}
	values, text := parseEnv(string(content), nil)
	return values, text.problems.Err()
}
