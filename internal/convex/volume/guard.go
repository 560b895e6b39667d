package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/tale-project/tale-runtime/internal/stack"
)

// Guards turn refusals that protect a volume into warnings.
type Guards struct {
	ChangedSecret bool `env:"CONVEX_ALLOW_CHANGED_SECRET" doc:"Start although INSTANCE_SECRET is not the one this volume was used with. Admin keys, sessions and file links made with the old one stop working."`
	Downgrade     bool `env:"CONVEX_ALLOW_DOWNGRADE" doc:"Start although a newer version has used this volume. Migrations go forward only."`
	StorageSwitch bool `env:"CONVEX_ALLOW_STORAGE_SWITCH" doc:"Start although this volume belongs to another database. Files and search indexes of that database stay, its documents do not come along."`
}

// Use is how a start uses the volume.
type Use struct {
	Storage        string // stack.StoragePostgres or stack.StorageSQLite
	Instance       stack.Instance
	TaleVersion    string
	BackendVersion string // "" where only the running backend knows it
}

// Refusal is a start that would harm the volume.
type Refusal struct {
	What     string // is refused, and why
	Override string // the variable that allows it
}

func (r Refusal) String() string {
	return fmt.Sprintf("%s; set %s=true if that is meant", r.What, r.Override)
}

// Guard compares what the volume remembers with what is about to start.
type Guard struct {
	Settings Settings
	Guards   Guards
	Use      Use
	Record   Record
}

// Check returns the refusals that hold and those that an override turned into
// warnings.
func (g Guard) Check() (refused, allowed []Refusal) {
	for _, check := range []struct {
		found string
		allow bool
		name  string
	}{
		{g.otherStorage(), g.Guards.StorageSwitch, "CONVEX_ALLOW_STORAGE_SWITCH"},
		{g.otherSecret(), g.Guards.ChangedSecret, "CONVEX_ALLOW_CHANGED_SECRET"},
		{g.olderVersion("TALE_VERSION", g.Record.TaleVersion, g.Use.TaleVersion), g.Guards.Downgrade, "CONVEX_ALLOW_DOWNGRADE"},
		{g.OlderBackend(g.Use.BackendVersion), g.Guards.Downgrade, "CONVEX_ALLOW_DOWNGRADE"},
	} {
		switch r := (Refusal{check.found, check.name}); {
		case check.found == "":
		case check.allow:
			allowed = append(allowed, r)
		default:
			refused = append(refused, r)
		}
	}
	return refused, allowed
}

// otherStorage finds a volume that belongs to another database: by what it
// remembers, or, before anything was recorded, by what lies in it.
func (g Guard) otherStorage() string {
	now, before := g.Use.Storage, g.Record.Storage
	if before == "" {
		before = g.storageByFiles()
	}
	switch {
	case before == "":
		return ""
	case before != now:
		return fmt.Sprintf("the data folder %s holds the files of a deployment on %s, and CONVEX_STORAGE is %s: it would start empty beside them", g.Settings.DataDir, before, now)
	case now == stack.StoragePostgres && g.Record.Database != "" && g.Record.Database != g.Use.Instance.DatabaseName():
		return fmt.Sprintf("the data folder %s belongs to the database %q, and INSTANCE_NAME=%s makes it %q", g.Settings.DataDir, g.Record.Database, g.Use.Instance.Name, g.Use.Instance.DatabaseName())
	}
	return ""
}

func (g Guard) storageByFiles() string {
	if info, err := os.Stat(g.Settings.SQLitePath()); err == nil && info.Size() > 0 {
		return stack.StorageSQLite
	}
	for _, folder := range []string{"modules", "files", "search"} {
		entries, err := os.ReadDir(filepath.Join(g.Settings.BackendDir(), folder))
		if err == nil && len(entries) > 0 {
			return stack.StoragePostgres
		}
	}
	return ""
}

func (g Guard) otherSecret() string {
	if g.Record.Fingerprint == "" || fingerprint(g.Record.Salt, g.Use.Instance.Secret) == g.Record.Fingerprint {
		return ""
	}
	return fmt.Sprintf("INSTANCE_SECRET is not the one this volume was last used with (%s): every admin key, session and file link made with that one would stop working", g.Record.Updated.Format(time.DateOnly))
}

// OlderBackend compares what the running backend says with what the volume
// remembers. The published backend images say "unknown", which has no order.
func (g Guard) OlderBackend(version string) string {
	return g.olderVersion("the backend", g.Record.BackendVersion, version)
}

func (g Guard) olderVersion(name, before, now string) string {
	old, okOld := parseVersion(before)
	current, okNow := parseVersion(now)
	if !okOld || !okNow || !current.LessThan(old) {
		return ""
	}
	return fmt.Sprintf("%s is %s, but version %s has used this volume, and its migrations cannot be undone", name, now, before)
}

// parseVersion is false for what has no order: "dev", "unknown", a commit.
func parseVersion(text string) (*semver.Version, bool) {
	if !strings.Contains(text, ".") {
		return nil, false
	}
	version, err := semver.NewVersion(text)
	return version, err == nil
}

// Updated is the record of a start that went well.
func (g Guard) Updated(backendVersion string) Record {
	record := g.Record.withSecret(g.Use.Instance.Secret)
	record.Storage, record.TaleVersion, record.Database = g.Use.Storage, g.Use.TaleVersion, ""
	if g.Use.Storage == stack.StoragePostgres {
		record.Database = g.Use.Instance.DatabaseName()
	}
	record.BackendVersion = ""
	if _, known := parseVersion(backendVersion); known {
		record.BackendVersion = backendVersion
	}
	return record
}

// SameAs tells whether writing the record would change nothing but its time.
func (r Record) SameAs(other Record) bool {
	r.Updated, other.Updated = time.Time{}, time.Time{}
	return r == other
}
