package volume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// officialVolume returns what official self-hosting leaves behind.
func officialVolume() map[string]string {
	return map[string]string{
		"db.sqlite3": "data", "storage/modules/abc.blob": "data", "storage/files/def.blob": "data", "tmp/x": "",
		"credentials/instance_secret": secretA.Reveal() + "\n", "credentials/instance_name": "convex-self-hosted\n",
	}
}

// moved is the same volume in our layout.
func moved(t *testing.T, dir string) {
	t.Helper()
	for _, step := range [][2]string{{"storage", "convex"}, {"db.sqlite3", "convex/" + sqliteName}} {
		if err := os.Rename(filepath.Join(dir, step[0]), filepath.Join(dir, step[1])); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

func TestAVolumeOfOfficialSelfHosting(t *testing.T) {
	tests := map[string]struct {
		change func(files map[string]string, g *Guard)
		move   bool
		want   string // in the only refusal
	}{
		"as it is":           {func(map[string]string, *Guard) {}, false, "db.sqlite3 becomes"},
		"as it is, Postgres": {func(f map[string]string, g *Guard) { delete(f, "db.sqlite3"); g.use.Storage = stack.StoragePostgres }, false, "storage becomes"},
		"moved":              {func(map[string]string, *Guard) {}, true, ""},
		"moved, Postgres":    {func(f map[string]string, g *Guard) { delete(f, "db.sqlite3"); g.use.Storage = stack.StoragePostgres }, true, ""},
		"moved, as Postgres": {func(_ map[string]string, g *Guard) { g.use.Storage = stack.StoragePostgres }, true, "a deployment on sqlite"},
		"other secret":       {func(_ map[string]string, g *Guard) { g.use.Instance.Secret = secretB }, true, "credentials/instance_secret"},
		"capital secret": {func(f map[string]string, _ *Guard) {
			f["credentials/instance_secret"] = strings.ToUpper(secretA.Reveal())
		}, true, ""},
		"other name":    {func(_ map[string]string, g *Guard) { g.use.Instance.Name = "tale_platform" }, true, "says convex-self-hosted"},
		"without names": {func(f map[string]string, _ *Guard) { f["credentials/instance_name"] = "" }, true, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g, files := newGuard(t), officialVolume()
			g.use.Storage, g.use.Instance.Name = stack.StorageSQLite, "convex-self-hosted"
			tt.change(files, g)
			testkit.WriteTree(t, g.settings.DataDir, files)
			if tt.move {
				moved(t, g.settings.DataDir)
			}
			refused, _ := g.check()
			if tt.want == "" && len(refused) != 0 || tt.want != "" && (len(refused) != 1 || !strings.Contains(refused[0].reason+refused[0].back, tt.want)) {
				t.Fatalf("refused %v, want %q", refused, tt.want)
			}
			if len(refused) > 0 && strings.Contains(refused[0].reason, secretA.Reveal()) {
				t.Error("the secret is shown")
			}
		})
	}
}

// What was recorded wins over what official self-hosting left behind.
func TestCredentialsCountOnceOnly(t *testing.T) {
	g := newGuard(t)
	g.use.Instance.Secret = secretB
	testkit.WriteTree(t, g.settings.DataDir, map[string]string{"credentials/instance_secret": secretA.Reveal(), "credentials/instance_name": "convex-self-hosted"})
	used(t, g, "")
	if refused, _ := g.check(); len(refused) != 0 {
		t.Errorf("refused %v", refused)
	}
}

func TestFilesStayWhereTheyWere(t *testing.T) {
	const ours, others = "m, f, s, e, i", "m2, f, s, e, i"
	tests := map[string]struct {
		before, now string
		want        string
	}{
		"volume":          {"", "", ""},
		"buckets":         {ours, ours, ""},
		"into buckets":    {"", ours, "its functions and uploads would be missing"},
		"other buckets":   {ours, others, "in the buckets " + ours},
		"into the volume": {ours, "", "S3_STORAGE_* name none"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t)
			if tt.before == "" {
				testkit.WriteTree(t, g.settings.DataDir, map[string]string{"convex/modules/abc.blob": "data"})
			}
			g.use.Buckets = tt.before
			used(t, g, "")
			g.use.Buckets = tt.now
			refused, _ := g.check()
			if tt.want == "" && len(refused) != 0 || tt.want != "" && (len(refused) != 1 || !strings.Contains(refused[0].reason+refused[0].back, tt.want)) {
				t.Errorf("refused %v, want %q", refused, tt.want)
			}
		})
	}
}
