package convex

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

func guardSettings(t *testing.T) *Settings {
	t.Helper()
	s := &Settings{}
	s.Folders.DataDir, s.Database.Storage, s.Seed.Version = t.TempDir(), stack.StoragePostgres, "0.2.34"
	s.Instance = stack.Instance{Name: "tale-platform", Secret: secretA}
	return s
}

// usedBy runs the guard as a start that went well and returns what the next
// start finds.
func usedBy(t *testing.T, s *Settings, backend string) volumeGuard {
	t.Helper()
	if err := (volumeGuard{settings: s}).updated(backend).write(s.Folders.DataDir); err != nil {
		t.Fatal(err)
	}
	record, err := readRecord(logging.Discard(), s.Folders.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	return volumeGuard{settings: s, record: record}
}

func TestGuardRefusesWhatWouldHarmTheVolume(t *testing.T) {
	tests := map[string]struct {
		change, allow func(*Settings)
		want          string
	}{
		"other secret":  {func(s *Settings) { s.Instance.Secret = secretB }, func(s *Settings) { s.Guards.ChangedSecret = true }, "INSTANCE_SECRET is not the one"},
		"older image":   {func(s *Settings) { s.Seed.Version = "v0.2.9" }, func(s *Settings) { s.Guards.Downgrade = true }, "version 0.2.34 has used this volume"},
		"older backend": {func(s *Settings) { s.Backend.Version = "1.9.9" }, func(s *Settings) { s.Guards.Downgrade = true }, "version 2.0.0 has used this volume"},
		"sqlite":        {func(s *Settings) { s.Database.Storage = stack.StorageSQLite }, func(s *Settings) { s.Guards.StorageSwitch = true }, "a deployment on postgres"},
		"other name":    {func(s *Settings) { s.Instance.Name = "other" }, func(s *Settings) { s.Guards.StorageSwitch = true }, `database "tale_platform"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := guardSettings(t)
			guard := usedBy(t, s, "2.0.0")
			if refused, allowed := guard.Check(); len(refused)+len(allowed) != 0 {
				t.Fatalf("the same start again: %v %v", refused, allowed)
			}
			tt.change(s)
			refused, _ := guard.Check()
			if len(refused) != 1 || !strings.Contains(refused[0].String(), tt.want) {
				t.Fatalf("refused %v, want %q", refused, tt.want)
			}
			if strings.Contains(refused[0].String(), secretB.Reveal()) {
				t.Error("the secret is shown")
			}
			tt.allow(s)
			if refused, allowed := guard.Check(); len(refused) != 0 || len(allowed) != 1 {
				t.Errorf("with the override: refused %v, allowed %v", refused, allowed)
			}
		})
	}
}

func TestGuardAllowsUpgradesAndVersionsWithoutOrder(t *testing.T) {
	for _, version := range []string{"0.2.34", "0.2.35", "0.3.0-rc.1", "dev", "", "5f66740ae8dd"} {
		s := guardSettings(t)
		guard := usedBy(t, s, "unknown")
		s.Seed.Version = version
		if refused, _ := guard.Check(); len(refused) != 0 {
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
			s := guardSettings(t)
			s.Database.Storage = tt.storage
			if tt.file != "" {
				testkit.WriteTree(t, s.Folders.DataDir, map[string]string{tt.file: "data"})
			}
			refused, _ := volumeGuard{settings: s}.Check()
			if (len(refused) > 0) != tt.refused {
				t.Errorf("refused %v", refused)
			}
		})
	}
}

func TestRecordKeepsNoSecret(t *testing.T) {
	s := guardSettings(t)
	usedBy(t, s, "unknown")
	text := testkit.ReadFile(t, recordPath(s.Folders.DataDir))
	if strings.Contains(text, "aaaa") || !strings.Contains(text, "secret_fingerprint") {
		t.Errorf("record %s", text)
	}
	other := guardSettings(t)
	usedBy(t, other, "unknown")
	first, _ := readRecord(logging.Discard(), s.Folders.DataDir)
	second, _ := readRecord(logging.Discard(), other.Folders.DataDir)
	if first.Fingerprint == second.Fingerprint {
		t.Error("two volumes have the same fingerprint of one secret")
	}
	info, err := os.Stat(filepath.Join(s.Folders.DataDir, recordName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A record that is cut at any length, or filled with zeros from there, is no record
// and is named; the guards by files stay.
func TestATornRecordIsNone(t *testing.T) {
	s := guardSettings(t)
	usedBy(t, s, "unknown")
	path := recordPath(s.Folders.DataDir)
	whole := []byte(strings.TrimSpace(testkit.ReadFile(t, path)))
	for length := range whole {
		for _, torn := range [][]byte{whole[:length], append(bytes.Clone(whole[:length]), make([]byte, len(whole)-length)...)} {
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			record, err := readRecord(slog.New(slog.NewTextHandler(&log, nil)), s.Folders.DataDir)
			if err != nil || record != (volumeRecord{}) || !strings.Contains(log.String(), path) {
				t.Fatalf("%d of %d bytes: %+v, %v, said %q", length, len(whole), record, err, &log)
			}
		}
	}
	testkit.WriteTree(t, s.Folders.DataDir, map[string]string{"convex/" + sqliteName: "data"})
	if refused, _ := (volumeGuard{settings: s}).Check(); len(refused) != 1 {
		t.Errorf("the files of another storage: %v", refused)
	}
}
