package enginetest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Postgres is a server in memory, as far as backups and restores ask it. It knows their
// statements and refuses all others; what a database holds is a text.
type Postgres struct {
	mu        sync.Mutex
	databases map[string]*database
	snapshots []string
	needs     []string // roles that each database names
	roles     []string // made by a restore
}

type database struct {
	content  string
	restored string // in its comment, as tale.restored
}

// Reset gives it databases and what they hold, instead of those that it has.
func (p *Postgres) Reset(contents map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.databases = map[string]*database{"postgres": {}}
	for name, content := range contents {
		p.databases[name] = &database{content: content}
	}
}

// Contents returns what the databases hold.
func (p *Postgres) Contents() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	contents := map[string]string{}
	for name, d := range p.databases {
		if name != "postgres" {
			contents[name] = d.content
		}
	}
	return contents
}

// Need says which roles the databases name.
func (p *Postgres) Need(roles ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.needs = append([]string{}, roles...)
}

// Made returns the roles that restores have made.
func (p *Postgres) Made() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.roles)
}

// connected finds the name of a database in what libpq connects with.
var connected = regexp.MustCompile(`^dbname='((?:[^'\\]|\\.)*)'`)

// Program does what psql, pg_dump and pg_restore do. It is a ProgramFunc.
func (p *Postgres) Program(_ string, command []string, in io.Reader, out, errs io.Writer) int {
	on, snapshot := "", 0
	for i, arg := range command {
		if arg == "-d" {
			on = connected.FindStringSubmatch(command[i+1])[1]
			on = strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(on)
		}
		_, _ = fmt.Sscanf(arg, "--snapshot=%d", &snapshot)
	}
	err := fmt.Errorf("no program for %q", command)
	switch {
	case slices.Contains(command, "psql"):
		err = p.session(on, in, out)
	case slices.Contains(command, "pg_dump"):
		err = p.dump(snapshot, out)
	case slices.Contains(command, "pg_restore"):
		err = p.restore(on, in)
	}
	if err != nil {
		_, _ = fmt.Fprintln(errs, "error:", err)
		return 1
	}
	return 0
}

func (p *Postgres) dump(snapshot int, out io.Writer) error {
	p.mu.Lock()
	content := p.snapshots[snapshot-1]
	p.mu.Unlock()
	_, err := io.WriteString(out, content)
	return err
}

func (p *Postgres) restore(on string, in io.Reader) error {
	content, err := io.ReadAll(in)
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.databases[on]; d != nil && err == nil {
		d.content = string(content)
		return nil
	}
	return fmt.Errorf("database %q: %w", on, err)
}

// session reads statements, which end with a line, and transactions to their end.
func (p *Postgres) session(on string, in io.Reader, out io.Writer) error {
	said, text := bufio.NewScanner(in), ""
	for said.Scan() {
		text += said.Text() + "\n"
		if !strings.HasSuffix(text, ";\n") || strings.HasPrefix(text, "BEGIN;") && !strings.HasSuffix(text, "COMMIT;\n") {
			continue
		}
		answer, err := p.answer(on, text)
		if err != nil {
			return err
		}
		if text = ""; answer != "" {
			_, _ = fmt.Fprintln(out, answer)
		}
	}
	return said.Err()
}

var altered = regexp.MustCompile(`(?:ALTER|COMMENT ON) DATABASE "(.*)" (?:RENAME TO "(.*)"|IS 'tale.restored=(.*)');`)

func (p *Postgres) answer(on, text string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.databases[on] == nil {
		return "", fmt.Errorf("database %q does not exist", on)
	}
	has := func(part string) bool { return strings.Contains(text, part) }
	var lines []string
	switch {
	case has("json_build_object('name', datname"):
		for _, name := range slices.Sorted(maps.Keys(p.databases)) {
			if name != "postgres" {
				line, _ := json.Marshal(map[string]any{"name": name, "bytes": len(p.databases[name].content), "encoding": "UTF8", "collate": "C", "ctype": "C", "settings": []string{}}) // strings
				lines = append(lines, string(line))
			}
		}
	case has("json_build_object('is', datname"):
		for name, d := range p.databases {
			line, _ := json.Marshal(map[string]any{"is": name, "restored": d.restored, "owned": true}) // strings
			lines = append(lines, string(line))
		}
	case has("string_agg(DISTINCT nspname"):
		schemas := ""
		if p.databases[on].content != "" {
			schemas = "public"
		}
		lines = append(lines, schemas)
	case has("DISTINCT pg_get_userbyid"):
		line, _ := json.Marshal(slices.Concat([]string{}, p.needs)) // strings
		lines = append(lines, string(line))
	case has("'createdb'"):
		line, _ := json.Marshal(map[string]any{"postgres": "16.4", "user": "tale", "superuser": true, "createdb": true, "createrole": true, "roles": append([]string{"tale"}, p.roles...), "made": p.roles}) // strings
		lines = append(lines, string(line))
	case has("SHOW server_version"):
		lines = append(lines, "16.4")
	case has("pg_export_snapshot()"):
		p.snapshots = append(p.snapshots, p.databases[on].content)
		lines = append(lines, fmt.Sprint(len(p.snapshots)))
	case has("SELECT 1;"):
		lines = append(lines, "1")
	case has("pg_terminate_backend"), has("ANALYZE;"):
	default:
		return "", p.change(text)
	}
	return strings.Join(lines, "\n"), nil
}

// longestName is that of Postgres, which cuts longer ones.
const longestName = 63

// change does all of what changes databases, or nothing.
func (p *Postgres) change(text string) error {
	databases := maps.Clone(p.databases)
	for line := range strings.Lines(text) {
		found := altered.FindStringSubmatch(line)
		name := strings.Split(line+`""`, `"`)[1]
		switch d := databases[name]; {
		case len(name) > longestName, found != nil && len(found[2]) > longestName:
			return fmt.Errorf("a name in %q would be cut", line)
		case line == "BEGIN;\n", line == "COMMIT;\n", strings.HasPrefix(line, "COMMENT ON ROLE"):
		case strings.HasPrefix(line, "CREATE ROLE"):
			p.roles = append(p.roles, name)
		case strings.HasPrefix(line, "DROP ROLE"):
			p.roles = slices.DeleteFunc(p.roles, func(role string) bool { return role == name })
		case strings.HasPrefix(line, "DROP DATABASE"):
			delete(databases, name)
		case strings.HasPrefix(line, "CREATE DATABASE") && d == nil:
			databases[name] = &database{}
		case found == nil, d == nil, found[2] != "" && databases[found[2]] != nil:
			return fmt.Errorf("cannot do %q with %v", line, slices.Sorted(maps.Keys(databases)))
		case found[2] != "":
			delete(databases, name)
			databases[found[2]] = d
		default:
			databases[name] = &database{d.content, found[3]}
		}
	}
	p.databases = databases
	return nil
}
