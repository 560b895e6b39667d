package seed

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func builtins(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	testkit.WriteTree(t, root, map[string]string{
		"agents-builtin/writer.json":              "new",
		"agents-builtin/deleted.json":             "new",
		"agents-builtin/README.md":                "not configuration",
		"workflows-builtin/mail/send.json":        "new",
		"workflows-builtin/mail/old.json":         "new",
		"integrations-builtin/github/config.json": "new",
		"integrations-builtin/github/lib/x.ts":    "new",
		"integrations-builtin/slack/config.json":  "new",
		"providers-builtin/openai.json":           "new",
		"providers-builtin/openai.secrets.json":   "SECRET",
		"branding-builtin/images/logo.svg":        "new",
		"retention-builtin/default.json":          "new",
	})
	return root
}

func TestSeedFreshVolume(t *testing.T) {
	data, settings := t.TempDir(), Settings{BuiltinDir: builtins(t), Release: stack.Release{Version: "1.2.3"}}
	result, err := Run(context.Background(), logging.Discard(), settings, data)
	if err != nil || result.Added != 9 || result.Kept+result.Deleted+result.Overwritten != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	for _, name := range []string{"agents/writer.json", "workflows/mail/send.json", "integrations/github/lib/x.ts", "providers/openai.json", "branding/images/logo.svg", "retention/default.json"} {
		if got := testkit.ReadFile(t, filepath.Join(data, name)); got != "new" {
			t.Errorf("%s holds %q", name, got)
		}
	}
	for _, name := range []string{"agents/README.md", "providers/openai.secrets.json"} {
		if _, err := os.Stat(filepath.Join(data, name)); err == nil {
			t.Errorf("%s was seeded", name)
		}
	}
	if _, err := os.Stat(filepath.Join(data, ".seeded-1.2.3")); err != nil {
		t.Error(err)
	}
	again, err := Run(context.Background(), logging.Discard(), settings, data)
	if err != nil || again.Skipped == "" {
		t.Errorf("the second seed of a version did %v, %v", again, err)
	}
}

// usedVolume returns a volume whose user has edited, deleted and added things.
func usedVolume(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	testkit.WriteTree(t, data, map[string]string{
		".seeded-1.0.0":                        "",
		"agents/writer.json":                   "edited",
		"agents/.history/deleted/1.json":       "edited once",
		"workflows/.history/mail__old/1.json":  "edited once",
		"integrations/github/config.json":      "edited",
		"integrations/.seeding-slack/half.tmp": "killed half-way",
	})
	return data
}

func TestSeedNewVersionKeepsWhatTheUserDid(t *testing.T) {
	data := usedVolume(t)
	result, err := Run(context.Background(), logging.Discard(), Settings{BuiltinDir: builtins(t), Release: stack.Release{Version: "1.2.3"}}, data)
	if err != nil || result != (Result{Added: 5, Kept: 2, Deleted: 2}) {
		t.Errorf("%+v, %v", result, err)
	}
	if got := testkit.ReadFile(t, filepath.Join(data, "agents/writer.json")); got != "edited" {
		t.Errorf("the edited agent holds %q", got)
	}
	for _, gone := range []string{"agents/deleted.json", "workflows/mail/old.json", "integrations/github/lib/x.ts", "integrations/.seeding-slack", "integrations/slack/half.tmp"} {
		if _, err := os.Stat(filepath.Join(data, gone)); err == nil {
			t.Errorf("%s is there", gone)
		}
	}
	testkit.ReadFile(t, filepath.Join(data, "integrations/slack/config.json"))
}

func TestForceSeedOverwrites(t *testing.T) {
	data := usedVolume(t)
	testkit.WriteTree(t, data, map[string]string{".seeded-1.2.3": "", "integrations/github/own.ts": "mine"})
	result, err := Run(context.Background(), logging.Discard(), Settings{BuiltinDir: builtins(t), Release: stack.Release{Version: "1.2.3"}, Force: true}, data)
	if err != nil || result != (Result{Added: 7, Overwritten: 2}) {
		t.Errorf("%+v, %v", result, err)
	}
	for name, want := range map[string]string{"agents/writer.json": "new", "agents/deleted.json": "new", "integrations/github/config.json": "new", "integrations/github/own.ts": "mine"} {
		if got := testkit.ReadFile(t, filepath.Join(data, name)); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
}

// A build without a version marks its volumes as dev, but shows what it is: as
// the platform's status does.
func TestVersionOfABuildWithoutOne(t *testing.T) {
	for set, want := range map[string][2]string{"": {"", "dev"}, "1.2.3": {"1.2.3", "1.2.3"}} {
		s := &Settings{}
		if err := config.Load(s, config.Environ{"TALE_VERSION": set}); err != nil {
			t.Fatal(err)
		}
		if got := [2]string{s.Version, s.VolumeVersion()}; got != want {
			t.Errorf("TALE_VERSION=%s: shown and remembered as %q, want %q", set, got, want)
		}
	}
	data := t.TempDir()
	if _, err := Run(t.Context(), logging.Discard(), Settings{BuiltinDir: builtins(t)}, data); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(data, ".seeded-dev")); err != nil {
		t.Error(err)
	}
}

func TestSeedWithoutBuiltins(t *testing.T) {
	data := t.TempDir()
	result, err := Run(context.Background(), logging.Discard(), Settings{BuiltinDir: t.TempDir(), Release: stack.Release{Version: "dev"}}, data)
	if err != nil || !strings.Contains(result.String(), "no built-in configuration") {
		t.Errorf("%v, %v", result, err)
	}
	if _, err := os.Stat(filepath.Join(data, ".seeded-dev")); err == nil {
		t.Error("a seed of nothing was marked as done")
	}
}

// A seed that fails leaves the version unmarked, so that the next one goes on.
func TestSeedThatFailsIsNotMarked(t *testing.T) {
	data := t.TempDir()
	testkit.WriteTree(t, data, map[string]string{"workflows/mail": "a file where a folder must be"})
	if _, err := Run(context.Background(), logging.Discard(), Settings{BuiltinDir: builtins(t), Release: stack.Release{Version: "1"}}, data); err == nil {
		t.Fatal("no error")
	}
	if _, err := os.Stat(filepath.Join(data, ".seeded-1")); err == nil {
		t.Error("it was marked as done")
	}
	if err := os.Remove(filepath.Join(data, "workflows/mail")); err != nil {
		t.Fatal(err)
	}
	if result, err := Run(context.Background(), logging.Discard(), Settings{BuiltinDir: builtins(t), Release: stack.Release{Version: "1"}}, data); err != nil || result.Kept != 2 {
		t.Errorf("%+v, %v", result, err)
	}
}

// What macOS, editors and mounts put beside the built-in files stops nothing, is not
// seeded, and is named in one line.
func TestForeignFilesAreLeftOutAndNamed(t *testing.T) {
	root, data := builtins(t), t.TempDir()
	testkit.WriteTree(t, root, map[string]string{
		"agents-builtin/._writer.json":            "\x00\x05\x16\x07Mac OS X",
		"agents-builtin/empty.json":               "",
		"agents-builtin/zeros.json":               "\x00\x00\x00",
		"workflows-builtin/.git/config.json":      "x",
		"workflows-builtin/mail/.#send.json":      "x",
		"integrations-builtin/github/.DS_Store":   "x",
		"integrations-builtin/github/lib/empty.x": "",
		"integrations-builtin/.trash/config.json": "x",
		"..data/linked.json":                      "new",
	})
	for link, target := range map[string]string{"agents-builtin/linked.json": "../..data/linked.json", "providers-builtin/dangling.json": "nowhere"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, pipe := range []string{"agents-builtin/pipe.json", "branding-builtin/pipe", "integrations-builtin/slack/pipe"} {
		if err := syscall.Mkfifo(filepath.Join(root, pipe), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	result, err := Run(t.Context(), slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), Settings{BuiltinDir: root, Release: stack.Release{Version: "1"}}, data)
	if err != nil || result.Added != 10 {
		t.Fatalf("%+v, %v", result, err)
	}
	if got := testkit.ReadFile(t, filepath.Join(data, "agents/linked.json")); got != "new" {
		t.Errorf("the linked file holds %q", got)
	}
	testkit.ReadFile(t, filepath.Join(data, "integrations/github/lib/empty.x"))
	for _, name := range []string{"._writer.json is hidden", "empty.json is empty", "zeros.json is empty", ".#send.json is hidden", ".DS_Store is hidden", "dangling.json cannot be read", "pipe.json is not a regular file", "branding-builtin/pipe is not", "slack/pipe is not"} {
		if !strings.Contains(log.String(), name) {
			t.Errorf("%q is not named in %s", name, &log)
		}
	}
	if got := strings.Count(log.String(), "level=WARN"); got != 1 {
		t.Errorf("%d warnings", got)
	}
}

// A link of the user to nowhere, such as into a volume that is not mounted, is the
// user's file.
func TestSeedKeepsADanglingLink(t *testing.T) {
	data := t.TempDir()
	testkit.WriteTree(t, data, map[string]string{"agents/mine.json": "mine"})
	link := filepath.Join(data, "agents", "writer.json")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	result, err := Run(t.Context(), logging.Discard(), Settings{BuiltinDir: builtins(t)}, data)
	if err != nil || result != (Result{Added: 8, Kept: 1}) {
		t.Errorf("%+v, %v", result, err)
	}
	if target, err := os.Readlink(link); err != nil || target != "nowhere" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

// A seed that was empty or zeroed by a power cut is not the user's.
func TestTornSeedsAreSeededAgain(t *testing.T) {
	data := t.TempDir()
	testkit.WriteTree(t, data, map[string]string{"agents/writer.json": "", "workflows/mail/send.json": "\x00\x00\x00", "retention/default.json": "{"})
	result, err := Run(t.Context(), logging.Discard(), Settings{BuiltinDir: builtins(t), Release: stack.Release{Version: "1"}}, data)
	if err != nil || result.Added != 8 || result.Kept != 1 {
		t.Errorf("%+v, %v", result, err)
	}
	for name, want := range map[string]string{"agents/writer.json": "new", "workflows/mail/send.json": "new", "retention/default.json": "{"} {
		if got := testkit.ReadFile(t, filepath.Join(data, name)); got != want {
			t.Errorf("%s holds %q", name, got)
		}
	}
}
