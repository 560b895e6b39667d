package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

const (
	migrationsName = "migrations.json"
	// pendingName is what the tool of 0.2.33 wrote while a migration was still to come.
	pendingName = "migration-pending"
)

// Migrations is what .tale/migrations.json says: which migrations were applied, or were
// never needed since the project was made after them. It is a log; what is to be done is
// seen in the engine. The form is that of the first tool, with one member besides.
type Migrations struct {
	// Left are volumes that the operator has said are not of this project.
	Left []string

	applied []json.RawMessage // as they were written, members of other tools included
	others  map[string]json.RawMessage
	broken  bool // the file is there and is not in the form
	pending string
}

type appliedMigration struct {
	ID         string `json:"id"`
	At         string `json:"at"`
	CLIVersion string `json:"cliVersion"`
}

// Has reports whether a migration was applied.
func (m Migrations) Has(id string) bool {
	return slices.ContainsFunc(m.applied, func(raw json.RawMessage) bool {
		var entry appliedMigration
		return json.Unmarshal(raw, &entry) == nil && entry.ID == id
	})
}

// Migrations reads the log. One that cannot be understood is empty, as for the first
// tool; it is kept under another name when the next entry is written.
func (p *Project) Migrations() (m Migrations, err error) {
	marker, err := ReadFile(p.Path(pendingName))
	if err = ignoreMissing(err); err == nil {
		m.pending = string(marker)
		var text []byte
		text, err = ReadFile(p.Path(migrationsName))
		if errors.Is(err, fs.ErrNotExist) {
			return m, nil
		}
		m.broken = err == nil && m.decode(text) != nil
	}
	return m, err
}

func (m *Migrations) decode(text []byte) error {
	var others map[string]json.RawMessage
	if err := json.Unmarshal(text, &others); err != nil {
		return err
	}
	applied, there := others["applied"]
	if !there || string(applied) == "null" {
		return errors.New("it has no list")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(applied, &list); err != nil {
		return err
	}
	var left []string
	if raw, there := others["left"]; there {
		if err := json.Unmarshal(raw, &left); err != nil {
			return err
		}
	}
	m.applied, m.Left, m.others = list, left, others
	return nil
}

// encode keeps the members of other tools. The order is that of their names.
func (m Migrations) encode() ([]byte, error) {
	members := map[string]any{"applied": m.applied}
	if m.applied == nil {
		members["applied"] = []string{}
	}
	for name, raw := range m.others {
		if name != "applied" {
			members[name] = raw
		}
	}
	if len(m.Left) > 0 {
		members["left"] = m.Left
	}
	if m.pending != "" {
		members["pendingSince"] = m.pending
	}
	text, err := json.MarshalIndent(members, "", "  ")
	return append(text, '\n'), err
}

// LogMigrations notes that migrations were applied, and volumes that are not of this
// project. What is noted already is not noted twice. A file that cannot be understood is
// kept beside the new one, and the marker of 0.2.33 becomes part of it.
func (p *Project) LogMigrations(version string, ids, left []string) error {
	m, err := p.Migrations()
	if err != nil {
		return err
	}
	before := len(m.applied) + len(m.Left)
	for _, id := range ids {
		if m.Has(id) {
			continue
		}
		raw, err := json.Marshal(appliedMigration{id, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), version})
		if err != nil {
			return err
		}
		m.applied = append(m.applied, raw)
	}
	for _, volume := range left {
		if !slices.Contains(m.Left, volume) {
			m.Left = append(m.Left, volume)
		}
	}
	if before == len(m.applied)+len(m.Left) && m.pending == "" {
		return nil
	}
	if m.broken {
		if err := p.setAside(migrationsName); err != nil {
			return err
		}
	}
	text, err := m.encode()
	if err == nil {
		err = p.Write(text, migrationsName)
	}
	if err != nil {
		return fmt.Errorf("cannot note which migrations were applied: %w", err)
	}
	if m.pending != "" {
		return p.Remove(pendingName)
	}
	return nil
}

// setAside keeps a file under another name, which no other file has.
func (p *Project) setAside(name string) error {
	aside := p.Path(name + ".corrupted-" + time.Now().UTC().Format("20060102T150405.000000000Z"))
	if err := os.Link(p.Path(name), aside); err != nil {
		return fmt.Errorf("cannot keep %s, which cannot be read as JSON: %w", p.Path(name), err)
	}
	return atomicfile.SyncFolder(filepath.Dir(aside))
}
