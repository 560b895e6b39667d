package convex

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/tale-project/tale-runtime/internal/stack"
)

const sqliteName = "convex_local_backend.sqlite3"

func (f Folders) sqlitePath() string { return filepath.Join(f.BackendDir(), sqliteName) }

// refusal is a start that would harm the volume.
type refusal struct {
	what     string // is refused, and why
	override string // the variable that allows it
}

func (r refusal) String() string {
	return fmt.Sprintf("%s; set %s=true if that is meant", r.what, r.override)
}

// volumeGuard compares what the volume remembers with what is about to start.
type volumeGuard struct {
	settings *Settings
	record   volumeRecord
}

// Check returns the refusals that hold and those that an override turned into
// warnings.
func (g volumeGuard) Check() (refused, allowed []refusal) {
	for _, check := range []struct {
		found string
		allow bool
		name  string
	}{
		{g.otherStorage(), g.settings.Guards.StorageSwitch, "CONVEX_ALLOW_STORAGE_SWITCH"},
		{g.otherSecret(), g.settings.Guards.ChangedSecret, "CONVEX_ALLOW_CHANGED_SECRET"},
		{g.olderVersion("TALE_VERSION", g.record.TaleVersion, g.settings.Seed.VolumeVersion()), g.settings.Guards.Downgrade, "CONVEX_ALLOW_DOWNGRADE"},
		{g.olderBackend(g.settings.Backend.Version), g.settings.Guards.Downgrade, "CONVEX_ALLOW_DOWNGRADE"},
	} {
		switch r := (refusal{check.found, check.name}); {
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
func (g volumeGuard) otherStorage() string {
	now, before := g.settings.Database.Storage, g.record.Storage
	if before == "" {
		before = g.storageByFiles()
	}
	switch {
	case before == "":
		return ""
	case before != now:
		return fmt.Sprintf("the data folder %s holds the files of a deployment on %s, and CONVEX_STORAGE is %s: it would start empty beside them", g.settings.Folders.DataDir, before, now)
	case now == stack.StoragePostgres && g.record.Database != "" && g.record.Database != g.settings.Instance.DatabaseName():
		return fmt.Sprintf("the data folder %s belongs to the database %q, and INSTANCE_NAME=%s makes it %q", g.settings.Folders.DataDir, g.record.Database, g.settings.Instance.Name, g.settings.Instance.DatabaseName())
	}
	return ""
}

func (g volumeGuard) storageByFiles() string {
	if info, err := os.Stat(g.settings.Folders.sqlitePath()); err == nil && info.Size() > 0 {
		return stack.StorageSQLite
	}
	for _, folder := range []string{"modules", "files", "search"} {
		entries, err := os.ReadDir(filepath.Join(g.settings.Folders.BackendDir(), folder))
		if err == nil && len(entries) > 0 {
			return stack.StoragePostgres
		}
	}
	return ""
}

func (g volumeGuard) otherSecret() string {
	if g.record.Fingerprint == "" || fingerprint(g.record.Salt, g.settings.Instance.Secret) == g.record.Fingerprint {
		return ""
	}
	return fmt.Sprintf("INSTANCE_SECRET is not the one this volume was last used with (%s): every admin key, session and file link made with that one would stop working", g.record.Updated.Format(time.DateOnly))
}

// olderBackend compares what the running backend says with what the volume
// remembers. The published backend images say "unknown", which has no order.
func (g volumeGuard) olderBackend(version string) string {
	return g.olderVersion("the backend", g.record.BackendVersion, version)
}

func (g volumeGuard) olderVersion(name, before, now string) string {
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

// updated is the record of a start that went well.
func (g volumeGuard) updated(backendVersion string) volumeRecord {
	record := g.record.withSecret(g.settings.Instance.Secret)
	record.Storage, record.TaleVersion, record.Database = g.settings.Database.Storage, g.settings.Seed.VolumeVersion(), ""
	if g.settings.Database.Storage == stack.StoragePostgres {
		record.Database = g.settings.Instance.DatabaseName()
	}
	record.BackendVersion = ""
	if _, known := parseVersion(backendVersion); known {
		record.BackendVersion = backendVersion
	}
	return record
}

// sameAs tells whether writing the record would change nothing but its time.
func (r volumeRecord) sameAs(other volumeRecord) bool {
	r.Updated, other.Updated = time.Time{}, time.Time{}
	return r == other
}
