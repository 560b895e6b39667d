package volume

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Guards turn refusals that protect a volume into warnings.
type Guards struct {
	ChangedSecret bool `env:"CONVEX_ALLOW_CHANGED_SECRET" doc:"Start although INSTANCE_SECRET is not the one this volume was used with. Admin keys, sessions and file links made with the old one stop working."`
	Downgrade     bool `env:"CONVEX_ALLOW_DOWNGRADE" doc:"Start although a newer version has used this volume or a newer backend has migrated the database. Migrations go forward only; functions may fail."`
	StorageSwitch bool `env:"CONVEX_ALLOW_STORAGE_SWITCH" doc:"Start although this volume belongs to another database. Files and search indexes of that database stay, its documents do not come along."`
}

// Use is how a start uses the volume.
type Use struct {
	Storage        string // stack.StoragePostgres or stack.StorageSQLite
	Instance       stack.Instance
	TaleVersion    string
	BackendVersion string // "" where only the running backend knows it
	Buckets        string // that have the backend's files; "" for the volume
}

// refusal is why a start would harm the volume; without a reason there is none.
type refusal struct {
	reason   string
	back     string // how the start is as the last one was
	override string // the variable that allows the start
}

// Guard compares what the volume remembers with what is about to start.
type Guard struct {
	log      *slog.Logger
	settings Settings
	guards   Guards
	use      Use
	record   record
}

// Open reads what the volume remembers and refuses, with exit code 78, a start
// that would harm the volume.
func Open(log *slog.Logger, settings Settings, guards Guards, use Use) (*Guard, error) {
	record, err := readRecord(log, settings.DataDir)
	if err != nil {
		return nil, report.New(exit.Config, "cannot read what the volume remembers: "+err.Error(),
			"the file that says how the volume was used last belongs to another user, or is no file",
			"give it to the user that this container runs as, or restore it", "if neither can be done, remove "+recordPath(settings.DataDir)+" (this start is then not compared with the last one)").Err(err)
	}
	g := &Guard{log: log, settings: settings, guards: guards, use: use, record: record}
	refused, allowed := g.check()
	for _, r := range allowed {
		log.Warn("allowed by "+r.override, "although", r.reason)
	}
	if len(refused) == 0 {
		return g, nil
	}
	return nil, refuse(refused)
}

// refuse returns the error of a start that would harm the volume: the way back stands
// before the overrides.
func refuse(refused []refusal) error {
	var reasons, back, overrides []string
	for _, r := range refused {
		reasons, back = append(reasons, r.reason), append(back, r.back)
		if r.override == "" {
			continue
		}
		overrides = append(overrides, "or, if that is meant: "+place.Here().Set(r.override+"=true", "convex")+" (docs/environment.md says what is lost)")
	}
	slices.Sort(overrides)
	fix := append(back, slices.Compact(overrides)...)
	return report.New(exit.Config, "this volume must not be used like this: "+strings.Join(reasons, "; also, "),
		"a setting was changed, an older image is started, or this is the volume of another deployment; the volume remembers how it was used last",
		fix[0], fix[1:]...).Err(nil)
}

// check returns the refusals that hold and those that an override turns into
// warnings.
func (g *Guard) check() (refused, allowed []refusal) {
	for _, check := range []struct {
		refusal
		allow    bool
		override string
	}{
		{g.postgresFolder(), false, ""},
		{g.otherStorage(), g.guards.StorageSwitch, "CONVEX_ALLOW_STORAGE_SWITCH"},
		{g.otherFiles(), g.guards.StorageSwitch, "CONVEX_ALLOW_STORAGE_SWITCH"},
		{g.officialLayout(), g.guards.StorageSwitch, "CONVEX_ALLOW_STORAGE_SWITCH"},
		{g.otherSecret(), g.guards.ChangedSecret, "CONVEX_ALLOW_CHANGED_SECRET"},
		{older("TALE_VERSION", g.record.TaleVersion, g.use.TaleVersion), g.guards.Downgrade, allowDowngrade},
		{g.olderBackend(g.use.BackendVersion), g.guards.Downgrade, allowDowngrade},
	} {
		check.refusal.override = check.override
		switch {
		case check.reason == "":
		case check.allow:
			allowed = append(allowed, check.refusal)
		default:
			refused = append(refused, check.refusal)
		}
	}
	return refused, allowed
}

const allowDowngrade = "CONVEX_ALLOW_DOWNGRADE"

// postgresFolder returns why a folder is no volume of a backend at all.
func (g *Guard) postgresFolder() refusal {
	if _, err := os.Stat(filepath.Join(g.settings.DataDir, "PG_VERSION")); err != nil {
		return refusal{}
	}
	return refusal{
		reason: fmt.Sprintf("the data folder %s is that of a Postgres server (it has the file PG_VERSION)", g.settings.DataDir),
		back:   "mount the volume convex-data there and not db-data, then: " + place.Here().Start(),
	}
}

// otherStorage returns why the volume belongs to another database: by what it
// remembers, or, before anything was recorded, by what lies in it.
func (g *Guard) otherStorage() refusal {
	now, before := g.use.Storage, g.record.Storage
	if before == "" {
		before = g.storageByFiles()
	}
	official := g.official("instance_name")
	switch {
	case g.record.Storage == "" && official != "" && official != g.use.Instance.Name:
		return refusal{
			reason: fmt.Sprintf("INSTANCE_NAME is %s, and %s, which official self-hosting wrote, says %s: admin keys and the name of the Postgres database depend on it", g.use.Instance.Name, g.officialPath("instance_name"), official),
			back:   again("INSTANCE_NAME", official),
		}
	case before == "":
		return refusal{}
	case before != now:
		return refusal{
			reason: fmt.Sprintf("the data folder %s holds the files of a deployment on %s, and CONVEX_STORAGE is %s: it would start empty beside them", g.settings.DataDir, before, now),
			back:   again("CONVEX_STORAGE", before),
		}
	case now == stack.StoragePostgres && g.record.Database != "" && g.record.Database != g.use.Instance.DatabaseName():
		return refusal{
			reason: fmt.Sprintf("the data folder %s belongs to the database %q, and INSTANCE_NAME=%s makes it %q", g.settings.DataDir, g.record.Database, g.use.Instance.Name, g.use.Instance.DatabaseName()),
			back:   again("INSTANCE_NAME", cmp.Or(g.record.Instance, g.record.Database)),
		}
	}
	return refusal{}
}

// again returns the step that brings a setting back to what it was.
func again(variable, value string) string {
	return variable + "=" + value + " again in " + place.Here().Settings() + ", then: " + place.Here().Start()
}

// storageByFiles returns the storage that the files of a volume belong to. An empty
// SQLite file holds no deployment.
func (g *Guard) storageByFiles() string {
	if info, err := os.Stat(g.settings.SQLitePath()); err == nil && info.Size() > 0 {
		return stack.StorageSQLite
	}
	if hasFiles(g.settings.BackendDir()) {
		return stack.StoragePostgres
	}
	return ""
}

// hasFiles reports whether a deployment keeps its files in a storage folder.
func hasFiles(storage string) bool {
	for _, folder := range []string{"modules", "files", "search"} {
		entries, err := os.ReadDir(filepath.Join(storage, folder))
		if err == nil && len(entries) > 0 {
			return true
		}
	}
	return false
}

// otherFiles returns why the files that the database refers to are not where this
// start looks for them.
func (g *Guard) otherFiles() refusal {
	before, now := g.record.Buckets, g.use.Buckets
	switch {
	case before == now && before == "":
	case before == "" && hasFiles(g.settings.BackendDir()):
		return refusal{
			reason: fmt.Sprintf("the files of this deployment are in %s, and S3_STORAGE_* name buckets (%s): its functions and uploads would be missing", g.settings.BackendDir(), now),
			back:   "take S3_STORAGE_* out of " + place.Here().Settings() + ", then: " + place.Here().Start(),
		}
	case before != "" && before != now:
		return refusal{
			reason: fmt.Sprintf("the files of this deployment are in the buckets %s, and S3_STORAGE_* name %s: its functions and uploads would be missing", before, cmp.Or(now, "none")),
			back:   "let S3_STORAGE_* in " + place.Here().Settings() + " name the buckets " + before + " again, then: " + place.Here().Start(),
		}
	}
	return refusal{}
}

func (g *Guard) otherSecret() refusal {
	official := g.official("instance_secret")
	switch {
	case g.record.Fingerprint == "" && official != "" && !strings.EqualFold(official, g.use.Instance.Secret.Reveal()):
		return refusal{
			reason: fmt.Sprintf("INSTANCE_SECRET is not the one in %s, which official self-hosting used: every admin key, session and file link made with that one would stop working", g.officialPath("instance_secret")),
			back:   "set INSTANCE_SECRET to what that file holds, then: " + place.Here().Start(),
		}
	case g.record.Fingerprint == "" || fingerprint(g.record.Salt, g.use.Instance.Secret) == g.record.Fingerprint:
		return refusal{}
	}
	back := "put the former INSTANCE_SECRET back into " + place.Here().Settings() + " (from a copy or a backup of it), then: " + place.Here().Start()
	if g.record.Shown != "" {
		back += fmt.Sprintf("; its fingerprint, which logs and the status command show, is %s, and that of this one is %s", g.record.Shown, g.use.Instance.Fingerprint())
	}
	return refusal{
		reason: fmt.Sprintf("INSTANCE_SECRET is not the one this volume was last used with (%s): every admin key, session and file link made with that one would stop working", g.record.Updated.Format(time.DateOnly)),
		back:   back,
	}
}

// HasUsed reports whether the volume was used with this storage before.
func (g *Guard) HasUsed(storage string) bool {
	return cmp.Or(g.record.Storage, g.storageByFiles()) == storage
}

// RefuseBackend returns why a backend that reports this version must not use the
// volume, or nil. The published backend images report "unknown", which has no order.
func (g *Guard) RefuseBackend(version string) error {
	refused := g.olderBackend(version)
	if refused.reason == "" || g.guards.Downgrade {
		return nil
	}
	refused.override = allowDowngrade
	return refuse([]refusal{refused})
}

func (g *Guard) olderBackend(version string) refusal {
	return older("the backend", g.record.BackendVersion, version)
}

// older returns why a version must not follow one that has used the volume.
func older(name, before, now string) refusal {
	old, okOld := parseVersion(before)
	current, okNow := parseVersion(now)
	if !okOld || !okNow || !current.LessThan(old) {
		return refusal{}
	}
	return refusal{
		reason: fmt.Sprintf("%s is %s, but version %s has used this volume, and its migrations cannot be undone", name, now, before),
		back:   "run the image of version " + before + " or a newer one (" + place.Here().Version() + "), then: " + place.Here().Start(),
	}
}

// parseVersion reports false for what has no order: "dev", "unknown", a commit.
func parseVersion(text string) (*semver.Version, bool) {
	if !strings.Contains(text, ".") {
		return nil, false
	}
	version, err := semver.NewVersion(text)
	return version, err == nil
}

// Remember records how the volume is used, once the backend has started with it.
func (g *Guard) Remember(backendVersion string) {
	record := g.updated(backendVersion)
	if record == g.record {
		return
	}
	record.Updated = time.Now().UTC().Truncate(time.Second)
	if err := record.write(g.settings.DataDir); err != nil {
		g.log.Warn("cannot record who uses this volume; the next start cannot check it", "error", err)
		return
	}
	g.record = record
}

// updated returns the record of this start, with the time of the last one.
func (g *Guard) updated(backendVersion string) record {
	record := g.record.withSecret(g.use.Instance.Secret)
	record.Storage, record.TaleVersion, record.Database, record.Buckets = g.use.Storage, g.use.TaleVersion, "", g.use.Buckets
	record.Instance, record.Shown = g.use.Instance.Name, g.use.Instance.Fingerprint()
	if g.use.Storage == stack.StoragePostgres {
		record.Database = g.use.Instance.DatabaseName()
	}
	record.BackendVersion = ""
	if _, known := parseVersion(backendVersion); known {
		record.BackendVersion = backendVersion
	}
	return record
}
