package volume

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
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
		log:      logging.Discard(),
		settings: Settings{DataDir: t.TempDir()},
		use:      Use{Storage: stack.StoragePostgres, TaleVersion: "0.2.34", Instance: stack.Instance{Name: "tale-platform", Secret: secretA}},
	}
}

// used records a start that went well and lets the guard find that.
func used(t *testing.T, g *Guard, backend string) {
	t.Helper()
	if err := g.updated(backend).write(g.settings.DataDir); err != nil {
		t.Fatal(err)
	}
	var err error
	if g.record, err = readRecord(logging.Discard(), g.settings.DataDir); err != nil {
		t.Fatal(err)
	}
}

func TestGuardRefusesWhatWouldHarmTheVolume(t *testing.T) {
	tests := map[string]struct {
		change, allow func(*Guard)
		want          string
	}{
		"other secret":  {func(g *Guard) { g.use.Instance.Secret = secretB }, func(g *Guard) { g.guards.ChangedSecret = true }, "INSTANCE_SECRET is not the one"},
		"older image":   {func(g *Guard) { g.use.TaleVersion = "v0.2.9" }, func(g *Guard) { g.guards.Downgrade = true }, "version 0.2.34 has used this volume"},
		"older backend": {func(g *Guard) { g.use.BackendVersion = "1.9.9" }, func(g *Guard) { g.guards.Downgrade = true }, "version 2.0.0 has used this volume"},
		"sqlite":        {func(g *Guard) { g.use.Storage = stack.StorageSQLite }, func(g *Guard) { g.guards.StorageSwitch = true }, "a deployment on postgres"},
		"buckets":       {func(g *Guard) { g.use.Buckets = "a, b, c, d, e" }, func(g *Guard) { g.guards.StorageSwitch = true }, "S3_STORAGE_* name buckets (a, b, c, d, e)"},
		"other name":    {func(g *Guard) { g.use.Instance.Name = "other" }, func(g *Guard) { g.guards.StorageSwitch = true }, `database "tale_platform"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			testkit.WriteTree(t, g.settings.DataDir, map[string]string{"convex/modules/abc.blob": "data"})
			used(t, g, "2.0.0")
			if refused, allowed := g.check(); len(refused)+len(allowed) != 0 {
				t.Fatalf("the same start again: %v %v", refused, allowed)
			}
			tt.change(g)
			refused, _ := g.check()
			if len(refused) != 1 || !strings.Contains(refused[0].reason, tt.want) {
				t.Fatalf("refused %v, want %q", refused, tt.want)
			}
			if strings.Contains(refused[0].reason, secretB.Reveal()) {
				t.Error("the secret is shown")
			}
			tt.allow(g)
			if refused, allowed := g.check(); len(refused) != 0 || len(allowed) != 1 {
				t.Errorf("with the override: refused %v, allowed %v", refused, allowed)
			}
		})
	}
}

func TestGuardAllowsUpgradesAndVersionsWithoutOrder(t *testing.T) {
	for _, version := range []string{"0.2.34", "0.2.35", "0.3.0-rc.1", "dev", "", "5f66740ae8dd"} {
		g := newGuard(t)
		used(t, g, "unknown")
		g.use.TaleVersion = version
		if refused, _ := g.check(); len(refused) != 0 {
			t.Errorf("%q: %v", version, refused)
		}
	}
}

// A volume without a record, of an older image, belongs to what lies in it.
func TestGuardReadsVolumesWithoutARecord(t *testing.T) {
	tests := map[string]struct {
		file, content, storage string
		refused                bool
	}{
		"fresh, postgres":        {"", "", stack.StoragePostgres, false},
		"fresh, sqlite":          {"", "", stack.StorageSQLite, false},
		"sqlite, postgres":       {"convex/" + sqliteName, "data", stack.StoragePostgres, true},
		"sqlite, sqlite":         {"convex/" + sqliteName, "data", stack.StorageSQLite, false},
		"empty sqlite, postgres": {"convex/" + sqliteName, "", stack.StoragePostgres, false},
		"postgres, sqlite":       {"convex/modules/abc.blob", "data", stack.StorageSQLite, true},
		"postgres, postgres":     {"convex/files/abc.blob", "data", stack.StoragePostgres, false},
		"only a log, postgres":   {"convex/backend.log", "data", stack.StoragePostgres, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			g.use.Storage = tt.storage
			if tt.file != "" {
				testkit.WriteTree(t, g.settings.DataDir, map[string]string{tt.file: tt.content})
			}
			if refused, _ := g.check(); (len(refused) > 0) != tt.refused {
				t.Errorf("refused %v", refused)
			}
		})
	}
}

func TestRecordKeepsNoSecret(t *testing.T) {
	g := newGuard(t)
	used(t, g, "unknown")
	text := testkit.ReadFile(t, recordPath(g.settings.DataDir))
	if strings.Contains(text, "aaaa") || !strings.Contains(text, "secret_fingerprint") {
		t.Errorf("record %s", text)
	}
	other := newGuard(t)
	used(t, other, "unknown")
	first, _ := readRecord(logging.Discard(), g.settings.DataDir)
	second, _ := readRecord(logging.Discard(), other.settings.DataDir)
	if first.Fingerprint == second.Fingerprint {
		t.Error("two volumes have the same fingerprint of one secret")
	}
	info, err := os.Stat(filepath.Join(g.settings.DataDir, recordName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// A record that is cut at any length, or filled with zeros from there, is no record
// and is named; the guards by files stay.
func TestATornRecordIsNone(t *testing.T) {
	g := newGuard(t)
	used(t, g, "unknown")
	path := recordPath(g.settings.DataDir)
	whole := []byte(strings.TrimSpace(testkit.ReadFile(t, path)))
	for length := range whole {
		for _, torn := range [][]byte{whole[:length], append(bytes.Clone(whole[:length]), make([]byte, len(whole)-length)...)} {
			if err := os.WriteFile(path, torn, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			read, err := readRecord(slog.New(slog.NewTextHandler(&log, nil)), g.settings.DataDir)
			if err != nil || read != (record{}) || !strings.Contains(log.String(), path) {
				t.Fatalf("%d of %d bytes: %+v, %v, said %q", length, len(whole), read, err, &log)
			}
		}
	}
	testkit.WriteTree(t, g.settings.DataDir, map[string]string{"convex/" + sqliteName: "data"})
	if _, err := Open(logging.Discard(), g.settings, g.guards, g.use); exit.Code(err) != exit.Config || !strings.Contains(report.Explain("", err).Text(), "CONVEX_ALLOW_STORAGE_SWITCH=true") {
		t.Errorf("the files of another storage: %v", err)
	}
}

// A start that changes nothing is not recorded; an older backend is refused.
func TestRememberedUse(t *testing.T) {
	g := newGuard(t)
	g.Remember("2.0.0")
	first := testkit.ReadFile(t, recordPath(g.settings.DataDir))
	next, err := Open(logging.Discard(), g.settings, g.guards, g.use)
	if err != nil {
		t.Fatal(err)
	}
	next.Remember("2.0.0")
	if got := testkit.ReadFile(t, recordPath(g.settings.DataDir)); got != first {
		t.Errorf("the same use was recorded again: %s", got)
	}
	if got := next.RefuseBackend("1.9.9"); got == nil || !strings.Contains(got.Error(), "version 2.0.0 has used this volume") {
		t.Errorf("an older backend: %v", got)
	}
	next.guards.Downgrade = true
	if got := next.RefuseBackend("1.9.9"); got != nil {
		t.Errorf("an allowed downgrade: %v", got)
	}
}

// The way back stands first, with what tells the old secret and name from the new ones;
// the override stands last.
func TestRefusalsSayTheWayBack(t *testing.T) {
	g := newGuard(t)
	used(t, g, "unknown")
	before := g.use.Instance.Fingerprint()
	for name, tt := range map[string]struct {
		change func(*Use)
		want   []string // in the fixes, in this order
	}{
		"secret":  {func(u *Use) { u.Instance.Secret = secretB }, []string{"put the former INSTANCE_SECRET back", "CONVEX_ALLOW_CHANGED_SECRET=true"}},
		"name":    {func(u *Use) { u.Instance.Name = "other" }, []string{"INSTANCE_NAME=tale-platform again", "CONVEX_ALLOW_STORAGE_SWITCH=true"}},
		"storage": {func(u *Use) { u.Storage = stack.StorageSQLite }, []string{"CONVEX_STORAGE=postgres again", "CONVEX_ALLOW_STORAGE_SWITCH=true"}},
		"version": {func(u *Use) { u.TaleVersion = "0.1.0" }, []string{"run the image of version 0.2.34", "CONVEX_ALLOW_DOWNGRADE=true"}},
		"all four": {func(u *Use) {
			*u = Use{Storage: stack.StorageSQLite, Instance: stack.Instance{Name: "x", Secret: secretB}, TaleVersion: "0.1.0"}
		}, []string{"CONVEX_STORAGE=postgres again", "put the former", "run the image", "CONVEX_ALLOW_CHANGED_SECRET=true", "CONVEX_ALLOW_DOWNGRADE=true", "CONVEX_ALLOW_STORAGE_SWITCH=true"}},
	} {
		use := g.use
		tt.change(&use)
		_, err := Open(logging.Discard(), g.settings, Guards{}, use)
		f := report.Explain("storage", err)
		if f.ExitCode != exit.Config || len(f.Fix) != len(tt.want) {
			t.Fatalf("%s: %+v", name, f)
		}
		for i, want := range tt.want {
			if !strings.Contains(f.Fix[i], want) {
				t.Errorf("%s: fix %d is %q, want %q", name, i, f.Fix[i], want)
			}
		}
		text := strings.Join(f.Fix, "\n")
		if strings.Contains(text, "former INSTANCE_SECRET") && (!strings.Contains(text, before) || !strings.Contains(text, use.Instance.Fingerprint())) {
			t.Errorf("%s: the fingerprints are missing: %s", name, text)
		}
	}
}

// The volume of Postgres, mounted where that of the backend belongs, is left alone.
func TestTheVolumeOfPostgresIsRefused(t *testing.T) {
	g := newGuard(t)
	testkit.WriteTree(t, g.settings.DataDir, map[string]string{"PG_VERSION": "16\n", "base/1/112": "data"})
	_, err := Open(logging.Discard(), g.settings, Guards{ChangedSecret: true, Downgrade: true, StorageSwitch: true}, g.use)
	f := report.Explain("storage", err)
	if f.ExitCode != exit.Config || !strings.Contains(f.Message, "that of a Postgres server") || len(f.Fix) != 1 || !strings.Contains(f.Fix[0], "convex-data") {
		t.Errorf("%+v", f)
	}
}
