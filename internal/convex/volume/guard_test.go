package volume

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const (
	secretA = config.Secret("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	secretB = config.Secret("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")
)

func newGuard(t *testing.T) *Guard {
	t.Helper()
	return &Guard{
		Settings: Settings{DataDir: t.TempDir()},
		Use:      Use{Storage: stack.StoragePostgres, TaleVersion: "0.2.34", Instance: stack.Instance{Name: "tale-platform", Secret: secretA}},
	}
}

// used records a start that went well and lets the guard find that.
func used(t *testing.T, g *Guard, backend string) {
	t.Helper()
	if err := g.Updated(backend).Write(g.Settings.DataDir); err != nil {
		t.Fatal(err)
	}
	var err error
	if g.Record, err = ReadRecord(logging.Discard(), g.Settings.DataDir); err != nil {
		t.Fatal(err)
	}
}

func TestGuardRefusesWhatWouldHarmTheVolume(t *testing.T) {
	tests := map[string]struct {
		change, allow func(*Guard)
		want          string
	}{
		"other secret":  {func(g *Guard) { g.Use.Instance.Secret = secretB }, func(g *Guard) { g.Guards.ChangedSecret = true }, "INSTANCE_SECRET is not the one"},
		"older image":   {func(g *Guard) { g.Use.TaleVersion = "v0.2.9" }, func(g *Guard) { g.Guards.Downgrade = true }, "version 0.2.34 has used this volume"},
		"older backend": {func(g *Guard) { g.Use.BackendVersion = "1.9.9" }, func(g *Guard) { g.Guards.Downgrade = true }, "version 2.0.0 has used this volume"},
		"sqlite":        {func(g *Guard) { g.Use.Storage = stack.StorageSQLite }, func(g *Guard) { g.Guards.StorageSwitch = true }, "a deployment on postgres"},
		"other name":    {func(g *Guard) { g.Use.Instance.Name = "other" }, func(g *Guard) { g.Guards.StorageSwitch = true }, `database "tale_platform"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			used(t, g, "2.0.0")
			if refused, allowed := g.Check(); len(refused)+len(allowed) != 0 {
				t.Fatalf("the same start again: %v %v", refused, allowed)
			}
			tt.change(g)
			refused, _ := g.Check()
			if len(refused) != 1 || !strings.Contains(refused[0].String(), tt.want) {
				t.Fatalf("refused %v, want %q", refused, tt.want)
			}
			if strings.Contains(refused[0].String(), secretB.Reveal()) {
				t.Error("the secret is shown")
			}
			tt.allow(g)
			if refused, allowed := g.Check(); len(refused) != 0 || len(allowed) != 1 {
				t.Errorf("with the override: refused %v, allowed %v", refused, allowed)
			}
		})
	}
}

func TestGuardAllowsUpgradesAndVersionsWithoutOrder(t *testing.T) {
	for _, version := range []string{"0.2.34", "0.2.35", "0.3.0-rc.1", "dev", "", "5f66740ae8dd"} {
		g := newGuard(t)
		used(t, g, "unknown")
		g.Use.TaleVersion = version
		if refused, _ := g.Check(); len(refused) != 0 {
			t.Errorf("%q: %v", version, refused)
		}
	}
}

// Volumes from before the record are told apart by what lies in them.
func TestGuardReadsVolumesWithoutARecord(t *testing.T) {
	tests := map[string]struct {
		file, storage string
		refused       bool
	}{
		"fresh, postgres":      {"", stack.StoragePostgres, false},
		"fresh, sqlite":        {"", stack.StorageSQLite, false},
		"sqlite, postgres":     {"convex/" + sqliteName, stack.StoragePostgres, true},
		"sqlite, sqlite":       {"convex/" + sqliteName, stack.StorageSQLite, false},
		"postgres, sqlite":     {"convex/modules/abc.blob", stack.StorageSQLite, true},
		"postgres, postgres":   {"convex/files/abc.blob", stack.StoragePostgres, false},
		"only a log, postgres": {"convex/backend.log", stack.StoragePostgres, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			g.Use.Storage = tt.storage
			if tt.file != "" {
				testkit.WriteTree(t, g.Settings.DataDir, map[string]string{tt.file: "data"})
			}
			refused, _ := g.Check()
			if (len(refused) > 0) != tt.refused {
				t.Errorf("refused %v", refused)
			}
		})
	}
}

func TestRecordKeepsNoSecret(t *testing.T) {
	g := newGuard(t)
	used(t, g, "unknown")
	text := testkit.ReadFile(t, recordPath(g.Settings.DataDir))
	if strings.Contains(text, "aaaa") || !strings.Contains(text, "secret_fingerprint") {
		t.Errorf("record %s", text)
	}
	other := newGuard(t)
	used(t, other, "unknown")
	first, _ := ReadRecord(logging.Discard(), g.Settings.DataDir)
	second, _ := ReadRecord(logging.Discard(), other.Settings.DataDir)
	if first.Fingerprint == second.Fingerprint {
		t.Error("two volumes have the same fingerprint of one secret")
	}
	info, err := os.Stat(filepath.Join(g.Settings.DataDir, recordName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A record that is cut at any length, or filled with zeros from there, is no record
// and is named; the guards by files stay.
func TestATornRecordIsNone(t *testing.T) {
	g := newGuard(t)
	used(t, g, "unknown")
	path := recordPath(g.Settings.DataDir)
	whole := []byte(strings.TrimSpace(testkit.ReadFile(t, path)))
	for length := range whole {
		for _, torn := range [][]byte{whole[:length], append(bytes.Clone(whole[:length]), make([]byte, len(whole)-length)...)} {
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			record, err := ReadRecord(slog.New(slog.NewTextHandler(&log, nil)), g.Settings.DataDir)
			if err != nil || record != (Record{}) || !strings.Contains(log.String(), path) {
				t.Fatalf("%d of %d bytes: %+v, %v, said %q", length, len(whole), record, err, &log)
			}
		}
	}
	testkit.WriteTree(t, g.Settings.DataDir, map[string]string{"convex/" + sqliteName: "data"})
	g.Record = Record{}
	if refused, _ := g.Check(); len(refused) != 1 {
		t.Errorf("the files of another storage: %v", refused)
	}
}
