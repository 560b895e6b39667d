package data

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
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
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestKeysThatAreNone: neither an empty passphrase nor a file without keys gets as far as
// the data.
func TestKeysThatAreNone(t *testing.T) {
	s := newShop(t)
	in := func(name string) string { return filepath.Join(s.app.Folder, name) }
	typed := func(text string, command *cobra.Command, args ...string) error {
		command.SetArgs(args)
		command.SetOut(io.Discard)
		command.SetErr(io.Discard)
		command.SetIn(strings.NewReader(text))
		command.SilenceErrors, command.SilenceUsage = true, true
		return command.ExecuteContext(t.Context())
	}
	testkit.WriteTree(t, s.app.Folder, map[string]string{"empty.txt": "", "comments.txt": "# created: 2026\n\n"})
	for _, text := range []string{"\n", ""} {
		testkit.WantError(t, typed(text, s.app.backupCommand(), "--passphrase", in("b.age")), exit.Usage, "Passphrase of the backup")
	}
	if left, _ := filepath.Glob(in("b.age*")); len(left) > 0 {
		t.Errorf("%q are there", left)
	}
	if err := typed("right\n", s.app.backupCommand(), "--passphrase", in("b.age")); err != nil {
		t.Fatal(err)
	}
	before := s.Holds()
	for _, text := range []string{"\n", ""} {
		testkit.WantError(t, typed(text, s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1"), exit.Usage, "Passphrase of the backup")
	}
	for _, keys := range []string{"empty.txt", "comments.txt"} {
		testkit.WantError(t, typed("", s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1", "--identity", in(keys)), exit.Usage, "the file of --identity has no keys of age", "AGE-SECRET-KEY-1")
	}
	testkit.WantError(t, typed("wrong\n", s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1"), exit.NoPermission, "another passphrase")
	if is := s.Holds(); is != before {
		t.Errorf("there was\n%s\nand is\n%s", before, is)
	}
	if err := typed("right\n", s.app.restoreCommand(), in("b.age"), "--project-name", "shop-1"); err != nil {
		t.Error(err)
	}
}

// TestABackupThatDoesNotFit the stack is refused.
func TestABackupThatDoesNotFit(t *testing.T) {
	s, err := newShop(t).app.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fits := backup.Manifest{Project: "shop-1", Release: "1.2.0", Volume: &backup.Volume{}, Databases: []backup.Database{{Name: "tale_platform"}}, Secret: backup.NewFingerprint(taletest.Secret)}
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
		"another instance":     {func(m *backup.Manifest) { m.Databases = []backup.Database{{Name: "tale_shop"}} }, "no database tale_platform, which INSTANCE_NAME of .env names"},
		"another storage kind": {func(m *backup.Manifest) { m.Databases = nil }, "CONVEX_STORAGE"},
	} {
		m := fits
		tt.change(&m)
		r := &restoring{
			Session: &session.Session{Project: &project.Project{File: project.File{ID: "shop-1"}}, Settings: s.Settings}, out: (&session.App{}).Progress(&cobra.Command{}, true),
			state:  rollout.State{Containers: []engine.Container{{Service: stack.Convex, Version: "1.2.0", State: engine.State{Running: true}}}},
			backup: backup.Restore{Manifest: m, Server: backup.Server{Container: "db", Platform: "tale_platform"}},
		}
		if err := r.fits(); tt.says != "" {
			testkit.WantError(t, err, exit.Config, tt.says)
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// noted leaves the note of a restore in the project's folder, as earlier releases did there alone.
func (s *shop) noted(note restoringNote) {
	s.t.Helper()
	text, err := json.Marshal(note)
	if err != nil {
		s.t.Fatal(err)
	}
	testkit.WriteTree(s.t, s.app.Folder, map[string]string{".tale/" + restoringName: string(text)})
}

// TestANoteOfARestoreThatCannotBeRead may be of one that was killed.
func TestANoteOfARestoreThatCannotBeRead(t *testing.T) {
	for note, says := range map[string]string{"/x": "it is a folder", "": "is not what one has written"} {
		s := newShop(t)
		opened, _ := s.opened()
		if err := Unfinished(t.Context(), opened); err != nil {
			t.Errorf("without one: %v", err)
		}
		testkit.WriteTree(t, s.app.Folder, map[string]string{".tale/" + restoringName + note: "{"})
		testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, "whether a restore was killed is not known", says)
	}
}

// TestTheNoteOfAnotherEngine is about its data, and stays for a session with that.
func TestTheNoteOfAnotherEngine(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	opened, _ := s.opened()
	for _, tt := range []struct {
		note    restoringNote
		refused bool // a deploy, a backup and the restore of another file
		stays   bool // after a deploy, or after the data are removed
	}{
		{restoringNote{File: "x.tar"}, true, false},
		{restoringNote{File: "x.tar", Engine: opened.Info.ID}, true, false},
		{restoringNote{File: "x.tar", Run: "x", Engine: opened.Info.ID, Marked: true}, false, false}, // nothing of it is there
		{restoringNote{File: "x.tar", Engine: opened.Info.ID, Restored: true}, false, false},
		{restoringNote{File: "x.tar", Engine: "another", Marked: true}, true, true},
		{restoringNote{File: "x.tar", Engine: "another", Restored: true}, false, true},
	} {
		s.noted(tt.note)
		if err := Unfinished(t.Context(), opened); (err != nil) != tt.refused {
			t.Errorf("%+v: %v", tt.note, err)
		}
		if tt.refused {
			for _, refused := range []error{s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"), s.Run(s.app.backupCommand(), file+"2"), s.Run(s.app.restoreCommand(), "--discard-old")} {
				testkit.WantError(t, refused, exit.Config, "`tale restore x.tar` finishes it", opened.Project.Path(restoringName))
			}
		}
		if err := errors.Join(Started(opened), Removed(t.Context(), opened)); err != nil {
			t.Errorf("%+v: %v", tt.note, err)
		}
		if _, there, err := noteIn(opened.Project); there != tt.stays || err != nil {
			t.Errorf("%+v: it is there: %v, %v", tt.note, there, err)
		}
	}
}

// TestARestoreThatIsOver needs consent again: what it left to be started runs by now.
func TestARestoreThatIsOver(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	source, err := backup.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	m, err := source.Verify()
	if err != nil {
		t.Fatal(err)
	}
	e := s.Engine()
	defer func() { _ = e.Close() }()
	platform, err := e.Inspect(t.Context(), "shop-1-platform")
	if err != nil {
		t.Fatal(err)
	}
	s.noted(restoringNote{File: file, Run: m.ID() + "-1", Restored: true, Stopped: []string{platform.ID}})
	s.Fill("after")
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file), exit.Usage, "--project-name")
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil {
		t.Error(err)
	}
	if now := s.Holds(); strings.Contains(now, "after") {
		t.Errorf("it is not restored:\n%s", now)
	}
}

// TestARestoreThatCannotBeIsRefused before anything is stopped or unpacked.
func TestARestoreThatCannotBeIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*shop)
		code    int
		words   []string
	}{
		"a small volume": {func(s *shop) { s.onSmallDisk("64k", "small") }, exit.Failure, []string{"the volume shop-1_convex-data has ", " free, and what is restored beside the present data needs 536 kB; nothing was changed: `tale restore --discard-old`"}},
		"a folder where nothing can be noted": {func(s *shop) {
			if err := os.RemoveAll(filepath.Join(s.app.Folder, ".tale")); err != nil {
				s.t.Fatal(err)
			}
			testkit.WriteTree(s.t, s.app.Folder, map[string]string{".tale": "no folder"})
		}, exit.NoPermission, []string{"nothing can be noted in ", "nothing was changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			file := filepath.Join(s.app.Folder, "b.tar")
			s.Fill(strings.Repeat("x", 200))
			testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"large": strings.Repeat("x", 200_000)})
			if err := s.Run(s.app.backupCommand(), file); err != nil {
				t.Fatal(err)
			}
			s.Fill("now")
			tt.prepare(s)
			now := s.Holds()
			testkit.WantError(t, s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"), tt.code, tt.words...)
			if is := s.Holds(); is != now || slices.ContainsFunc(s.Changes(), func(call string) bool { return strings.HasSuffix(call, "/stop") }) {
				t.Errorf("there was\n%s\nand is\n%s", now, is)
			}
		})
	}
}

// TestAVolumeThatIsGone is made when the restore is agreed to, and goes again with one that fails:
// a deploy would take an empty one for what there was.
func TestAVolumeThatIsGone(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	before := s.Holds()
	opened, _ := s.opened()
	there := func() bool {
		_, there, err := opened.Engine.Volume(t.Context(), "shop-1_convex-data")
		return there || err != nil
	}
	if err := errors.Join(opened.Engine.Stop(t.Context(), "shop-1-convex", 0), opened.Engine.Remove(t.Context(), "shop-1-convex"), opened.Engine.RemoveVolume(t.Context(), "shop-1_convex-data")); err != nil {
		t.Fatal(err)
	}
	for how, args := range map[string][]string{"a dry run": {"--dry-run"}, "nobody agrees": nil, "it fails": {"--project-name", "shop-1"}} {
		s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
			if slices.Contains(command, "pg_restore") {
				_, _ = io.Copy(io.Discard, in)
				return 1
			}
			return s.Postgres.Program(container, command, in, out, errs)
		})
		s.Fault("DELETE", "/volumes/shop-1_convex-data", enginetest.Fault{Status: http.StatusConflict, Message: "volume is in use"}, 1) // by a helper that has ended
		if err := s.Run(s.app.restoreCommand(), append([]string{file}, args...)...); err == nil || there() {
			t.Errorf("%s: %v, and the volume is there: %v", how, err, there())
		}
	}
	s.SetProgram(s.Postgres.Program)
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil || !there() {
		t.Errorf("%v, and there is\n%s", err, s.Holds())
	}
	if now := s.Holds(); now != strings.ReplaceAll(before, "shop-1-convex runs: true\n", "") {
		t.Errorf("it was\n%s\nand is\n%s", before, now)
	}
}
