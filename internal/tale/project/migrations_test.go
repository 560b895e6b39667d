package project

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func migrationsOf(t *testing.T, files map[string]string) *Project {
	t.Helper()
	p := &Project{Dir: t.TempDir()}
	for name, text := range files {
		if err := p.Write([]byte(text), name); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func readMigrations(t *testing.T, p *Project) (Migrations, string) {
	t.Helper()
	m, err := p.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.Path(migrationsName))
	if err != nil {
		t.Fatal(err)
	}
	return m, string(text)
}

// What other tools have written stays, byte for byte where it is a value.
func TestTheLogOfMigrationsIsAppendedTo(t *testing.T) {
	const first = `{"applied":[{"id":"namespace-volumes","at":"2026-04-01T00:00:00.000Z","cliVersion":"0.2.33","more":[1]}],"other":{"a":1e3}}`
	p := migrationsOf(t, map[string]string{migrationsName: first})
	for range 2 { // the second time says nothing new
		if err := p.LogMigrations("1.2.3", []string{"namespace-volumes", "split-convex"}, []string{"tale_db-data"}); err != nil {
			t.Fatal(err)
		}
	}
	m, text := readMigrations(t, p)
	if !m.Has("namespace-volumes") || !m.Has("split-convex") || m.Has("namespace-caddy-config") || len(m.applied) != 2 || len(m.Left) != 1 {
		t.Error(text)
	}
	if !strings.HasPrefix(text, "{\n  \"applied\": [\n    {") || !strings.HasSuffix(text, "}\n") || !strings.Contains(text, "1e3") || !strings.Contains(text, `"more"`) {
		t.Error(text)
	}
}

// What cannot be understood is empty, and is lost by no writing.
func TestABrokenLogOfMigrationsIsKept(t *testing.T) {
	whole := "{\n  \"applied\": [\n    {\"id\": \"split-convex\", \"at\": \"2026-04-01T00:00:00.000Z\", \"cliVersion\": \"0.2.34\"}\n  ]\n}\n"
	broken := []string{"", "null", "[]", "{}", `{"applied":null}`, `{"applied":{}}`, `{"applied":[],"left":1}`, whole + "}"}
	for cut := range len(whole) - 2 {
		broken = append(broken, whole[:cut])
	}
	for _, text := range broken {
		p := migrationsOf(t, map[string]string{migrationsName: text})
		if m, err := p.Migrations(); err != nil || m.Has("split-convex") {
			t.Errorf("%q: %+v, %v", text, m, err)
		}
		if got, _ := os.ReadFile(p.Path(migrationsName)); string(got) != text {
			t.Errorf("%q was changed by reading", text)
		}
		if err := p.LogMigrations("1.2.3", []string{"split-convex"}, nil); err != nil {
			t.Fatal(err)
		}
		if m, now := readMigrations(t, p); !m.Has("split-convex") || !json.Valid([]byte(now)) {
			t.Errorf("%q became %q", text, now)
		}
		kept, _ := filepath.Glob(p.Path(migrationsName + ".corrupted-*"))
		if len(kept) != 1 {
			t.Fatalf("%q: %v are kept", text, kept)
		}
		if got, err := os.ReadFile(kept[0]); err != nil || string(got) != text {
			t.Errorf("%q is kept as %q, %v", text, got, err)
		}
	}
}

func TestTheMarkerOfThePendingMigrationIsTakenOver(t *testing.T) {
	p := migrationsOf(t, map[string]string{pendingName: "2026-04-10T10:00:00.000Z\n"})
	if m, err := p.Migrations(); err != nil || m.Has("namespace-volumes") {
		t.Errorf("%+v, %v", m, err)
	}
	if err := p.LogMigrations("1.2.3", nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, text := readMigrations(t, p); !strings.Contains(text, "2026-04-10T10:00:00.000Z") {
		t.Error(text)
	}
	if _, err := os.Stat(p.Path(pendingName)); err == nil {
		t.Error("the marker is still there")
	}
	if err := p.LogMigrations("1.2.3", []string{"namespace-volumes"}, nil); err != nil {
		t.Fatal(err)
	}
	if _, text := readMigrations(t, p); !strings.Contains(text, "2026-04-10T10:00:00.000Z") {
		t.Errorf("what the marker said is lost: %s", text)
	}
}

func TestANewProjectHasNoMigrationsToCome(t *testing.T) {
	dir := t.TempDir()
	p, _ := made(t, Options{Dir: dir, Version: "1.2.3", Migrations: []string{"a", "b"}})
	m, text := readMigrations(t, p)
	if !m.Has("a") || !m.Has("b") || !strings.Contains(text, `"cliVersion": "1.2.3"`) {
		t.Error(text)
	}
	// One that is only completed may have them.
	older := t.TempDir()
	if err := os.WriteFile(filepath.Join(older, FileName), []byte(`{"version": 1, "id": "shop-1a2b3c"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p, _ = made(t, Options{Dir: older, Migrations: []string{"a"}})
	if m, err := p.Migrations(); err != nil || m.Has("a") {
		t.Errorf("%+v, %v", m, err)
	}
}
