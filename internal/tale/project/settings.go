package project

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Source is where a value comes from.
type Source string

// Sources of values.
const (
	FromFile    Source = "file" // .env
	FromShell   Source = "shell"
	Inherited   Source = "shell, named in .env" // by a line without a value
	FromDefault Source = "default"
)

// Value is the value of a variable.
type Value struct {
	Text string
	From Source
}

// Settings are a project's variables.
type Settings map[string]Value

// Get returns a value, "" if it is not set.
func (s Settings) Get(name string) string { return s[name].Text }

// Environ returns the settings as an environment.
func (s Settings) Environ() config.Environ {
	environ := config.Environ{}
	for name, value := range s {
		environ[name] = value.Text
	}
	return environ
}

// FromShell returns the names of the variables whose values are the shell's, sorted.
func (s Settings) FromShell() []string {
	var names []string
	for name, value := range s {
		if value.From == FromShell || value.From == Inherited {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Settings reads .env, which wins over the shell. Of the shell it takes only what the
// stack reads and the file does not name. All problems are reported at once, with the
// lines of the file and never with what stands there.
func (p *Project) Settings(shell config.Environ) (Settings, error) {
	settings, text, err := p.read(shell)
	if err != nil {
		return nil, err
	}
	p.Warnings = slices.Concat(p.File.warnings(), text.warnings, settings.misspelt(text))
	return settings, p.check(settings, func(name string) string {
		switch {
		case settings[name].From == FromShell || settings[name].From == Inherited:
			return " (from the shell)"
		case text.lineOf(name) > 0:
			return fmt.Sprintf(" (%s, line %d)", EnvName, text.lineOf(name))
		default:
			return ""
		}
	}).Err()
}

func (p *Project) envPath() string { return filepath.Join(p.Dir, EnvName) }

func (p *Project) read(shell config.Environ) (Settings, envText, error) {
	content, err := ReadFile(p.envPath())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, envText{}, exit.Errorf(exit.Config, "there is no %s: make one with fresh secrets with: tale init", p.envPath())
	case err != nil:
		return nil, envText{}, err
	}
	if config.IsUTF16(string(content)) {
		return nil, envText{}, config.Problems{{Variable: EnvName, Wrong: "is UTF-16", Accepted: "UTF-8: save it as that in the editor"}}
	}
	values, text := parseEnv(string(content), shell)
	if err := text.problems.Err(); err != nil {
		return nil, text, err
	}
	settings := Settings{}
	for name, value := range values {
		settings[name] = Value{value, FromFile}
		if _, assigned := text.last(name); !assigned {
			settings[name] = Value{value, Inherited}
		}
	}
	for _, name := range stack.Variables() {
		if _, set := settings[name]; !set && shell[name] != "" {
			settings[name] = Value{shell[name], FromShell}
		}
	}
	return settings, text, nil
}

// madeByInit is what a missing variable should be. A new secret does not open the data that
// was written with the former one.
const madeByInit = "of a project that has been deployed, the value that it had, as a copy of " + EnvName + " has it; of a new one, what tale init makes: it fills in what is missing and changes nothing else"

// check returns what the services of the project would not start with. where says
// where a variable is set.
func (p *Project) check(settings Settings, where func(name string) string) config.Problems {
	environ := config.Environ{}
	for name, value := range settings {
		if !strings.HasSuffix(name, "_FILE") { // a path in a container
			environ[name] = value.Text
		}
	}
	var problems config.Problems
	known := func(name string) bool {
		return slices.ContainsFunc(problems, func(p config.Problem) bool { return p.Variable == name })
	}
	for _, service := range p.Services() {
		for _, given := range service.Environment {
			name := given.Source()
			switch {
			case environ[name] != "":
			case given.Rule == stack.OrDefault:
				environ[name] = given.Default
			case given.Rule == stack.Required && name != "DB_PASSWORD" && !known(name):
				problems = append(problems, config.Problem{Variable: name, Wrong: "is not set", Accepted: madeByInit})
			}
		}
	}
	for _, problem := range p.checkGroups(environ) {
		if !known(problem.Variable) {
			problems = append(problems, problem)
		}
	}
	for i := range problems {
		problems[i].Variable += where(problems[i].Variable)
	}
	return problems
}

// checkGroups applies the rules that the services themselves apply.
func (p *Project) checkGroups(environ config.Environ) (problems config.Problems) {
	check := func(group any) {
		var wrong config.Problems
		if errors.As(config.Load(group, environ), &wrong) {
			problems = append(problems, wrong...)
		}
	}
	if p.Has(stack.Proxy) {
		check(&stack.Start{})
	}
	if p.Has(stack.Proxy) || p.Has(stack.Platform) {
		check(&stack.Site{})
		check(&stack.ExtraSites{})
	}
	if p.Has(stack.Convex) {
		if environ["INSTANCE_SECRET"] != "" {
			check(&stack.Instance{})
		}
		check(&stack.Database{})
	}
	for _, name := range []string{stack.Registry, stack.OldRegistry} {
		registry := environ[name]
		if _, err := reference.ParseNormalizedNamed(strings.TrimSuffix(registry, "/") + "/tale"); registry != "" && err != nil {
			problems = append(problems, config.Problem{Variable: name, Wrong: fmt.Sprintf("%q is not how images begin", registry), Accepted: "a registry and a path, without https://, such as ghcr.io/tale-project/tale"})
		}
	}
	if email := environ["TLS_EMAIL"]; email != "" && !strings.Contains(email, "@") {
		problems = append(problems, config.Problem{Variable: "TLS_EMAIL", Wrong: fmt.Sprintf("%q is not an e-mail address", email), Accepted: "an e-mail address, or nothing"})
	}
	external := environ["POSTGRES_URL"] != "" || environ["CONVEX_STORAGE"] == stack.StorageSQLite
	if p.Has(stack.Convex) && !p.Has(stack.DB) && !external && environ["DB_HOST"] == stack.DB {
		problems = append(problems, config.Problem{Variable: "POSTGRES_URL", Wrong: "is not set, and the project has no db", Accepted: "a Postgres server, or db among the services of " + FileName})
	}
	return problems
}
