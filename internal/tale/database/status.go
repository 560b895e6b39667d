package database

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Status is what there is on a server of what the stack needs.
type Status struct {
	Place     string     `json:"place"`
	Server    Server     `json:"server"`
	Databases []Database `json:"databases"`
	// Migrations is nil where none were asked for.
	Migrations *MigrationStatus `json:"migrations,omitempty"`
}

// Database is one database of the stack.
type Database struct {
	Name       string            `json:"name"`
	Owner      string            `json:"owner,omitempty"` // "" of one that is not there
	Extensions map[string]string `json:"extensions,omitempty"`
	Schemas    []string          `json:"schemas,omitempty"` // in which the stack may make tables
	SearchPath string            `json:"searchPath,omitempty"`
	Missing    []string          `json:"missing,omitempty"`
}

// MigrationStatus compares a folder of migrations with what is recorded.
type MigrationStatus struct {
	Database string   `json:"database"`
	Applied  []string `json:"applied"` // files
	Pending  []string `json:"pending"` // files
	Lost     []string `json:"lost"`    // versions that are recorded and have no file
}

// Complete reports whether nothing is missing and nothing pending.
func (s Status) Complete() bool {
	incomplete := slices.ContainsFunc(s.Databases, func(d Database) bool { return len(d.Missing) > 0 })
	return !incomplete && (s.Migrations == nil || len(s.Migrations.Pending) == 0)
}

// Status looks. It changes nothing.
func (t Target) Status(ctx context.Context, o Options) (Status, error) {
	s := Status{Place: t.place()}
	c, err := t.anywhere(ctx, o)
	if err != nil {
		return s, err
	}
	defer c.close(ctx)
	if s.Server, err = c.server(ctx); err != nil {
		return s, err
	}
	for _, name := range []string{o.Platform, Knowledge} {
		database := Database{Name: name, Owner: s.Server.owners[name]}
		if database.Owner == "" {
			database.Missing = []string{"the database"}
		} else if err := t.look(ctx, o, &database); err != nil {
			return s, err
		}
		s.Databases = append(s.Databases, database)
	}
	return s, nil
}

// look looks into a database that is there.
func (t Target) look(ctx context.Context, o Options, d *Database) error {
	c, err := t.connect(ctx, d.Name)
	if err != nil {
		return err
	}
	defer c.close(ctx)
	extensions, err := c.rows(ctx, "SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql'")
	if err != nil {
		return err
	}
	d.Extensions = map[string]string{}
	for _, row := range extensions {
		d.Extensions[row[0]] = row[1]
	}
	schemas, err := c.rows(ctx, "SELECT nspname FROM pg_namespace n, pg_roles r WHERE rolname = $1 AND nspname !~ '^(pg_|information_schema)' AND has_schema_privilege(r.oid, n.oid, 'CREATE') AND has_schema_privilege(r.oid, n.oid, 'USAGE') ORDER BY 1", o.Role)
	if err != nil {
		return err
	}
	for _, row := range schemas {
		d.Schemas = append(d.Schemas, row[0])
	}
	if d.SearchPath, err = c.value(ctx, "SHOW search_path"); err != nil {
		return err
	}
	needed := []string{"public"}
	if d.Name == Knowledge {
		needed = []string{"public_web", "private_knowledge"}
		if _, has := d.Extensions["vector"]; o.NeedVector && !has {
			d.Missing = append(d.Missing, "the extension vector")
		}
	} else if first, _, _ := strings.Cut(t.Server.SearchPath, ","); first != "" {
		needed = []string{strings.Trim(strings.TrimSpace(first), `"`)} // the backend's own
	}
	for _, schema := range needed {
		if !slices.Contains(d.Schemas, schema) {
			d.Missing = append(d.Missing, fmt.Sprintf("a schema %s in which %s may make tables", schema, o.Role))
		}
	}
	return nil
}

// MigrationStatus compares a folder with a database. It changes nothing.
func (t Target) MigrationStatus(ctx context.Context, database, dir string) (*MigrationStatus, error) {
	migrations, err := Migrations(dir)
	if err != nil {
		return nil, err
	}
	c, err := t.connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer c.close(ctx)
	recorded, err := c.applied(ctx)
	if err != nil {
		return nil, err
	}
	s := &MigrationStatus{Database: database, Applied: []string{}, Pending: []string{}, Lost: []string{}}
	lost := recorded
	for _, migration := range migrations {
		if slices.Contains(recorded, migration.Version) {
			s.Applied = append(s.Applied, migration.Name)
		} else {
			s.Pending = append(s.Pending, migration.Name)
		}
		lost = slices.DeleteFunc(slices.Clone(lost), func(version string) bool { return version == migration.Version })
	}
	s.Lost = append(s.Lost, lost...)
	return s, nil
}

// Text returns it for people.
func (s Status) Text() string {
	var text strings.Builder
	security := "without TLS"
	if s.Server.TLS {
		security = "with TLS"
	}
	fmt.Fprintf(&text, "%s: %s, %s, as %s%s\n", s.Place, s.Server.Version, security, s.Server.User, s.Server.rights())
	for _, d := range s.Databases {
		owner := "is not there"
		if d.Owner != "" {
			owner = "of " + d.Owner
		}
		fmt.Fprintf(&text, "%s  %s\n", d.Name, owner)
		if d.Owner == "" {
			continue
		}
		var extensions []string
		for name, version := range d.Extensions {
			extensions = append(extensions, name+" "+version)
		}
		slices.Sort(extensions)
		for _, line := range []struct{ label, text string }{
			{"extensions", strings.Join(extensions, ", ")}, {"schemas", strings.Join(d.Schemas, ", ")}, {"search_path", d.SearchPath}, {"missing", strings.Join(d.Missing, ", ")},
		} {
			if line.text != "" {
				fmt.Fprintf(&text, "  %-12s%s\n", line.label, line.text)
			}
		}
	}
	if m := s.Migrations; m != nil {
		fmt.Fprintf(&text, "migrations of %s: %d applied, %d pending, %d recorded without a file\n", m.Database, len(m.Applied), len(m.Pending), len(m.Lost))
		for _, list := range []struct {
			label string
			names []string
		}{{"pending", m.Pending}, {"no file", m.Lost}} {
			for _, name := range list.names {
				fmt.Fprintf(&text, "  %-12s%s\n", list.label, name)
			}
		}
	}
	return text.String()
}

// rights says what the login may do on the whole server.
func (s Server) rights() string {
	switch {
	case s.Superuser:
		return ", a superuser"
	case s.CreateDB && s.CreateRole:
		return ", who may make databases and users"
	case s.CreateDB:
		return ", who may make databases"
	}
	return ""
}
