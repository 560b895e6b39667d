package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// mishap is something that goes wrong, and what tale has to say of it.
type mishap struct {
	name  string
	env   func(string) string                                          // what becomes of .env
	files map[string]string                                            // in the project's folder
	lines string                                                       // of the Dockerfile of the release that is deployed
	cause func(context.Context, *stack) (undo func() error, err error) // whatever else is done
	as    []string                                                     // the command that runs tale
	shell []string                                                     // NAME=VALUE
	fresh bool                                                         // in a project that runs nothing
	args  []string                                                     // in place of a deploy of that release
	code  int
	says  []string // the cause, and what mends it
	seen  bool     // visitors meet what goes wrong, not what tale does
}

// hangs is how long a service may take in these deploys.
const hangs = "4s"

// mishaps lets everything go wrong, one after the other, and holds what tale says of it to
// the cause and the fix, and what served to go on serving.
func (s *stack) mishaps(ctx context.Context) error {
	if _, err := s.must(ctx, "deploy", "--yes", "--version", older); err != nil {
		return err
	}
	all := mishapsOfFiles()
	for _, more := range [][]mishap{mishapsOfReleases(), mishapsOfRegistries(), mishapsOfTheHost(), badInput()} {
		all = append(all, more...)
	}
	for i, m := range all {
		if s.mishap != "" && !slices.ContainsFunc(strings.Split(s.mishap, ","), func(part string) bool { return strings.Contains(m.name, part) }) {
			continue
		}
		before, err := s.serving(ctx)
		if err != nil {
			return err
		}
		if err := s.suffer(ctx, i, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		now, err := s.serving(ctx)
		if !m.seen && (err != nil || now.ID != before.ID || now.State.StartedAt != before.State.StartedAt) {
			s.want(false, m.name+": what served goes on", before.ID, fmt.Sprint(now.ID, err))
		}
	}
	return nil
}

// suffer lets one thing go wrong.
func (s *stack) suffer(ctx context.Context, i int, m mishap) (err error) {
	p := s
	if m.fresh {
		if p, err = s.another(otherProject); err != nil {
			return err
		}
		defer func() {
			cleanOf(ctx, p.id)
			err = errors.Join(err, os.RemoveAll(p.dir))
		}()
	}
	restore, err := p.remember()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	args := m.args
	if args == nil {
		args = []string{"deploy"}
	}
	if m.lines != "" {
		version := fmt.Sprintf("1.0.%d", 1000+i)
		if err := image(ctx, "platform", version, m.lines); err != nil {
			return err
		}
		args = append(args, "--version", version, "--timeout", hangs)
	}
	if m.env != nil {
		text, err := os.ReadFile(filepath.Join(p.dir, ".env"))
		if err != nil {
			return err
		}
		m.files = with(m.files, ".env", m.env(string(text)))
	}
	for name, text := range m.files {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if m.cause != nil {
		undo, err := m.cause(ctx, p)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, undo()) }()
	}
	l, err := s.newLoad(ctx)
	if err != nil {
		return err
	}
	l.probe()
	r, code := p.by(m.as, m.shell).do(ctx, args...)
	l.finish()
	s.judge(m, r, code, l)
	return nil
}

// judge compares what came of a mishap with what has to.
func (s *stack) judge(m mishap, r *run, code int, l *load) {
	said := r.text()
	var missing []string
	for _, words := range m.says {
		if !strings.Contains(said, words) {
			missing = append(missing, words)
		}
	}
	met := code == m.code && len(missing) == 0 && (m.seen || len(l.failures) == 0)
	s.want(met, m.name, m.code, fmt.Sprintf("%d after %s, %d of %d requests failed", code, r.took.Round(100*time.Millisecond), len(l.failures), l.asked))
	if met && !s.talk {
		return
	}
	for _, words := range missing {
		fmt.Printf("        it does not say %q\n", words)
	}
	for line := range strings.Lines(said) {
		fmt.Print("        | ", line)
	}
}

func with(files map[string]string, name, text string) map[string]string {
	all := map[string]string{name: text}
	for name, text := range files {
		all[name] = text
	}
	return all
}

// by returns the stack with tale run by another command, and with more variables.
func (s *stack) by(command, shell []string) *stack {
	p := *s
	p.through, p.shell = command, shell
	return &p
}

// remember returns what makes the files of the project again as they are.
func (s *stack) remember() (restore func() error, err error) {
	names := []string{"tale.json", ".env"}
	texts := map[string][]byte{}
	for _, name := range names {
		if texts[name], err = os.ReadFile(filepath.Join(s.dir, name)); err != nil {
			return nil, err
		}
	}
	return func() (err error) {
		for _, name := range append(names, "compose.override.yml", "compose.override.yaml") {
			path := filepath.Join(s.dir, name)
			err = errors.Join(err, os.RemoveAll(path))
			if text, there := texts[name]; there {
				err = errors.Join(err, os.WriteFile(path, text, 0o600))
			}
		}
		return err
	}, nil
}

func override(service string) map[string]string {
	return map[string]string{"compose.override.yml": "services: {platform: {" + service + "}}\n"}
}

func appended(lines string) func(string) string {
	return func(text string) string { return text + lines + "\n" }
}

// without drops a variable of .env.
func without(name string) func(string) string {
	return func(text string) string {
		var kept strings.Builder
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, name+"=") {
				kept.WriteString(line)
			}
		}
		return kept.String()
	}
}

// mishapsOfFiles returns those of .env, the override and tale.json.
func mishapsOfFiles() []mishap {
	const file = ".env"
	return []mishap{
		{name: ".env: not there", cause: removed(".env"), code: exit.Config, says: []string{"there is no ", "tale init"}},
		{name: ".env: a quote that is not closed", env: appended(`MORE="open`), code: exit.Config, says: []string{file, "line ", "quote"}},
		{name: ".env: a line that assigns nothing", env: appended("what is this"), code: exit.Config, says: []string{file, "line "}},
		{name: ".env: a port that is none", env: appended("PUBLISH_HTTPS=many"), code: exit.Config, says: []string{"PUBLISH_HTTPS", "a port such as"}},
		{name: ".env: a secret that is none", env: appended("INSTANCE_SECRET=hunter2"), code: exit.Config, says: []string{"INSTANCE_SECRET", "hex"}},
		{name: ".env: a secret that is not there", env: without("BETTER_AUTH_SECRET"), code: exit.Config, says: []string{"BETTER_AUTH_SECRET", "is not set", "tale init"}},
		{name: ".env: a site that is no URL", env: appended("SITE_URL=tale.local:8443"), code: exit.Config, says: []string{"SITE_URL", "https://"}},
		{name: ".env: an unknown way to get certificates", env: appended("TLS_MODE=magic"), code: exit.Config, says: []string{"TLS_MODE", "letsencrypt"}},
		{name: ".env: two things at once", env: appended("TLS_MODE=magic\nSITE_URL=nowhere"), code: exit.Config, says: []string{"TLS_MODE", "SITE_URL"}},
		{name: ".env: a folder", cause: folder(".env"), code: exit.Config, says: []string{file, "it is a folder", "rename it"}},
		{name: "override: not YAML", files: map[string]string{"compose.override.yml": "services: [\n"}, code: exit.Config, says: []string{"compose.override.yml"}},
		{name: "override: an unknown service", files: map[string]string{"compose.override.yml": "services: {web: {image: x}}\n"}, code: exit.Config, says: []string{"compose.override.yml", "web", "platform"}},
		{name: "override: an unknown key", files: override("imagee: x"), code: exit.Config, says: []string{"compose.override.yml", "imagee"}},
		{name: "override: a fixed container name", files: override("container_name: mine"), code: exit.Config, says: []string{"container_name", "platform"}},
		{name: "override: a host port for what has two colours", files: override(`ports: ["3000:3000"]`), code: exit.Config, says: []string{"ports", "platform"}},
		{name: "override: an image that is no reference", files: override("image: 'NOT GOOD'"), code: exit.Config, says: []string{"NOT GOOD"}},
		{name: "tale.json: not JSON", files: map[string]string{"tale.json": "{"}, code: exit.Config, says: []string{"tale.json"}},
		{name: "tale.json: a malformed id", files: map[string]string{"tale.json": `{"version": 1, "id": "Not An Id"}`}, code: exit.Config, says: []string{"tale.json", "id"}},
		{name: "tale.json: an unknown service", files: map[string]string{"tale.json": fmt.Sprintf(`{"version": 1, "id": %q, "services": ["web"]}`, project)}, code: exit.Config, says: []string{"web", "platform"}},
	}
}

func removed(name string) func(context.Context, *stack) (func() error, error) {
	return func(_ context.Context, s *stack) (func() error, error) {
		return func() error { return nil }, os.Remove(filepath.Join(s.dir, name))
	}
}

func folder(name string) func(context.Context, *stack) (func() error, error) {
	return func(_ context.Context, s *stack) (func() error, error) {
		path := filepath.Join(s.dir, name)
		return func() error { return nil }, errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
	}
}
