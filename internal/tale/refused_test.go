package tale

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestKeysThatAreNone: neither an empty passphrase nor a file without keys gets as far as
// the data.
func TestKeysThatAreNone(t *testing.T) {
	s := newShop(t)
	in := func(name string) string { return filepath.Join(s.app.folder, name) }
	typed := func(text string, command *cobra.Command, args ...string) error {
		command.SetArgs(args)
		command.SetOut(io.Discard)
		command.SetErr(io.Discard)
		command.SetIn(strings.NewReader(text))
		command.SilenceErrors, command.SilenceUsage = true, true
		return command.ExecuteContext(t.Context())
	}
	testkit.WriteTree(t, s.app.folder, map[string]string{"empty.txt": "", "comments.txt": "# created: 2026\n\n"})
	for _, text := range []string{"\n", ""} {
		testkit.WantError(t, typed(text, s.app.backupCommand(), "--passphrase", in("b.age")), exit.Usage, "Passphrase of the backup")
	}
	if left, _ := filepath.Glob(in("b.age*")); len(left) > 0 {
		t.Errorf("%q are there", left)
	}
	if err := typed("right\n", s.app.backupCommand(), "--passphrase", in("b.age")); err != nil {
		t.Fatal(err)
	}
	before := s.holds()
	for _, text := range []string{"\n", ""} {
		testkit.WantError(t, typed(text, s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1"), exit.Usage, "Passphrase of the backup")
	}
	for _, keys := range []string{"empty.txt", "comments.txt"} {
		testkit.WantError(t, typed("", s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1", "--identity", in(keys)), exit.Usage, "the file of --identity has no keys of age", "AGE-SECRET-KEY-1")
	}
	testkit.WantError(t, typed("wrong\n", s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1"), exit.NoPermission, "another passphrase")
	if is := s.holds(); is != before {
		t.Errorf("there was\n%s\nand is\n%s", before, is)
	}
	if err := typed("right\n", s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1"); err != nil {
		t.Error(err)
	}
}

// TestABackupThatDoesNotFit the stack is refused.
func TestABackupThatDoesNotFit(t *testing.T) {
	s, err := newShop(t).app.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	fits := backup.Manifest{Project: "shop-1", Release: "1.2.0", Volume: &backup.Volume{}, Databases: []backup.Database{{}}, Secret: backup.NewFingerprint(shopSecret)}
	for name, tt := range map[string]struct {
		change func(*backup.Manifest)
		says   string // "": it fits
	}{
		"the same release":     {func(*backup.Manifest) {}, ""},
		"an older release":     {func(m *backup.Manifest) { m.Release = "0.9.0" }, ""},
		"no release":           {func(m *backup.Manifest) { m.Release = "" }, ""},
		"another project":      {func(m *backup.Manifest) { m.Project = "shop-2" }, ""},
		"a newer release":      {func(m *backup.Manifest) { m.Release = "1.2.1" }, "of release 1.2.1, and the stack is of 1.2.0: the backend's migrations of its data go forward only. `tale deploy --all --version 1.2.1` first"},
		"a newer minor":        {func(m *backup.Manifest) { m.Release = "1.10.0" }, "`tale deploy --all --version 1.10.0` first"},
		"no files":             {func(m *backup.Manifest) { m.Volume = nil }, "has no files"},
		"another secret":       {func(m *backup.Manifest) { m.Secret = backup.NewFingerprint("other") }, "another INSTANCE_SECRET"},
		"another storage kind": {func(m *backup.Manifest) { m.Databases = nil }, "CONVEX_STORAGE"},
	} {
		m := fits
		tt.change(&m)
		r := &restoring{
			session: &session{project: &project.Project{File: project.File{ID: "shop-1"}}, settings: s.settings}, out: (&app{}).progress(&cobra.Command{}, true),
			state:  rollout.State{Containers: []engine.Container{{Service: stack.Convex, Version: "1.2.0", State: engine.State{Running: true}}}},
			backup: backup.Restore{Manifest: m, Server: backup.Server{Container: "db"}},
		}
		if err := r.fits(); tt.says != "" {
			testkit.WantError(t, err, exit.Config, tt.says)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestANoteOfARestoreThatCannotBeRead may be of one that was killed.
func TestANoteOfARestoreThatCannotBeRead(t *testing.T) {
	for note, says := range map[string]string{"folder": "it is a folder", "{": "is not what one has written"} {
		p := &project.Project{Dir: t.TempDir()}
		if err := unfinishedRestore(p); err != nil {
			t.Errorf("without one: %v", err)
		}
		if note == "folder" {
			testkit.WriteTree(t, p.Path(restoringName), map[string]string{"x": ""})
		} else if err := p.Write([]byte(note), restoringName); err != nil {
			t.Fatal(err)
		}
		testkit.WantError(t, unfinishedRestore(p), exit.Config, "whether a restore was killed is not known", says)
	}
}

// TestAHelperThatIsKilled in the volume: what serves goes on, and the same command does it.
func TestAHelperThatIsKilled(t *testing.T) {
	s := newShop(t)
	file := filepath.Join(s.app.folder, "b.tar")
	kill := func(verb string) {
		s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
			if args[0] == verb {
				return exit.Errorf(exit.SignalBase+9, "killed")
			}
			return helpShop(ctx, root, args, in, out, talk)
		})
	}
	before := s.holds()
	kill("backup-read")
	testkit.WantError(t, s.run(s.app.backupCommand(), file), exit.Temporary, "the volume shop-1_convex-data", "was killed (exit code 137)", "run the same command again")
	if left, _ := filepath.Glob(file + "*"); len(left) > 0 || s.holds() != before {
		t.Errorf("%q are left, and there is\n%s", left, s.holds())
	}
	kill("")
	if err := s.run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	s.fill("now")
	now := s.holds()
	kill("backup-unpack")
	testkit.WantError(t, s.run(s.app.restoreCommand(), file, "--project-name", "shop-1"), exit.Temporary, "the volume shop-1_convex-data", "was killed (exit code 137)", "run the same command again")
	if is := s.holds(); is != now {
		t.Errorf("there was\n%s\nand is\n%s", now, is)
	}
	kill("")
	if err := s.run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil || s.holds() != before {
		t.Errorf("%v, and there is\n%s", err, s.holds())
	}
}

// TestAVolumeWhoseDriverIsAway: an engine does not list it, cannot make one of its name, and
// cannot start a helper with it.
func TestAVolumeWhoseDriverIsAway(t *testing.T) {
	const says = `error while checking if volume "shop-1_convex-data" exists in driver "far": error looking up volume plugin far: plugin "far" not found`
	for _, request := range []string{"/volumes/create", "/containers/create"} {
		s := newShop(t)
		file := filepath.Join(s.app.folder, "b.tar")
		if err := s.run(s.app.backupCommand(), file); err != nil {
			t.Fatal(err)
		}
		e := s.engine()
		if request == "/volumes/create" {
			if err := errors.Join(e.Stop(t.Context(), "shop-1-convex", 0), e.Remove(t.Context(), "shop-1-convex"), e.RemoveVolume(t.Context(), "shop-1_convex-data")); err != nil {
				t.Fatal(err)
			}
		}
		_ = e.Close()
		asked := len(s.Calls())
		fault := enginetest.Fault{Status: 404, Message: says}
		if request == "/containers/create" {
			fault.After = 1 // the lock
		}
		s.Fault("POST", request, fault, 1)
		err := s.run(s.app.restoreCommand(), file, "--project-name", "shop-1")
		testkit.WantError(t, err, exit.Unavailable, `driver "far"`, "is the plugin of the volume's driver there? `docker plugin ls` says")
		if slices.ContainsFunc(s.Calls()[asked:], func(call string) bool { return strings.HasSuffix(call, "/stop") }) {
			t.Errorf("%q", s.Calls()[asked:])
		}
		if _, err := os.Stat(filepath.Join(s.app.folder, ".tale", restoringName)); err == nil {
			t.Error("a restore is under way")
		}
	}
}
