package data

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// killedBetween lets a restore end between the two swaps, of the first of two backups.
func (s *shop) killedBetween() (first, second string) {
	s.t.Helper()
	first, second = filepath.Join(s.app.Folder, "1.tar"), filepath.Join(s.app.Folder, "2.tar")
	for _, file := range []string{first, second} {
		s.Fill(filepath.Base(file))
		if err := s.Run(s.app.backupCommand(), file); err != nil {
			s.t.Fatal(err)
		}
	}
	s.Fill("now")
	s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
		if args[0] == "backup-swap" {
			return exit.Errorf(exit.SignalBase+9, "killed")
		}
		return taletest.Help(ctx, root, args, in, out, talk)
	})
	testkit.WantError(s.t, s.Run(s.app.restoreCommand(), first, "--project-name", "shop-1"), exit.Stuck, "again finishes it")
	s.SetHelper(taletest.Help)
	return first, second
}

// TestTheEngineTellsOfAKilledRestore to whoever works in another folder, or has lost what is
// in .tale: nothing goes on with data of two moments, and the same backup finishes it.
func TestTheEngineTellsOfAKilledRestore(t *testing.T) {
	for name, tt := range map[string]struct {
		note  string // in .tale; "": none
		words string
	}{
		"in another folder":           {"", "a restore from another folder was killed, or is under way"},
		"a note that is torn":         {"{", "a restore from another folder"},
		"a note of another restore":   {`{"file": "3.tar", "run": "3", "engine": "ID"}`, "a restore from another folder"},
		"an engine whose id changes":  {`{"file": "FILE", "run": "RUN", "engine": "another", "marked": true, "stopped": ["STOPPED"]}`, "a restore was killed, so"},
		"what another has not begun":  {`{"file": "3.tar", "run": "3", "engine": "ID", "restored": true}`, "a restore from another folder"},
		"another engine has its note": {`{"file": "3.tar", "run": "3", "engine": "another"}`, "a restore from another folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			first, second := s.killedBetween()
			opened, _ := s.opened()
			note, _, err := noteIn(opened.Project)
			if err != nil {
				t.Fatal(err)
			}
			path := opened.Project.Path(restoringName)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if tt.note != "" {
				text := strings.NewReplacer("FILE", first, "RUN", note.Run, "ID", opened.Info.ID, "STOPPED", strings.Join(note.Stopped, `", "`)).Replace(tt.note)
				testkit.WriteTree(t, s.app.Folder, map[string]string{".tale/" + restoringName: text})
			}
			for what, refused := range map[string]error{
				"deploy": Unfinished(t.Context(), opened), "backup": s.Run(s.app.backupCommand(), first+"2"),
				"another": s.Run(s.app.restoreCommand(), second, "--project-name", "shop-1"),
			} {
				t.Log(what)
				testkit.WantError(t, refused, exit.Config, tt.words, "`tale restore "+first+"` finishes it", "`docker volume rm shop-1_restoring`")
			}
			testkit.WantError(t, s.Run(s.app.restoreCommand(), "--discard-old"), exit.Usage, "the restore of "+first+" is finished: a part of it is in its place")
			if err := s.Run(s.app.restoreCommand(), first, "--project-name", "shop-1"); err != nil {
				t.Fatal(err)
			}
			if now := s.Holds(); strings.Contains(now, "runs: false") || !strings.Contains(now, "tale_platform: 1.tar") || !strings.Contains(now, "/storage/file: 1.tar") || strings.Contains(now, "under way") {
				t.Errorf("there is\n%s", now)
			}
			if err := Unfinished(t.Context(), opened); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestAnEngineThatDoesNotTellItAnyMore: the volume of the data says whether another folder has
// finished it, or somebody has removed all volumes that nothing uses.
func TestAnEngineThatDoesNotTellItAnyMore(t *testing.T) {
	s := newShop(t)
	first, _ := s.killedBetween()
	opened, _ := s.opened()
	note := opened.Project.Path(restoringName)
	text := testkit.ReadFile(t, note)
	if err := opened.Engine.RemoveVolume(t.Context(), "shop-1_restoring"); err != nil {
		t.Fatal(err)
	}
	testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, "a restore was killed, so", "`tale restore "+first+"` finishes it", "remove "+note)
	if err := s.Run(s.app.restoreCommand(), first, "--project-name", "shop-1"); err != nil {
		t.Fatal(err)
	}
	testkit.WriteTree(t, s.app.Folder, map[string]string{".tale/" + restoringName: text})
	if err := Unfinished(t.Context(), opened); err != nil {
		t.Error(err)
	}
	s.app.Yes = true
	if err := s.Run(s.app.restoreCommand(), "--discard-old"); err != nil {
		t.Error(err)
	}
	testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"storage/file": "now"})
	testkit.WantError(t, s.Run(s.app.restoreCommand(), first), exit.Usage, "--project-name")
	if err := s.Run(s.app.restoreCommand(), first, "--project-name", "shop-1"); err != nil {
		t.Error(err)
	}
	if now := s.Holds(); !strings.Contains(now, "/storage/file: 1.tar") || !strings.Contains(now, "tale_platform: 1.tar") || strings.Contains(now, "under way") {
		t.Errorf("there is\n%s", now)
	}
}

// TestARestoreStartsOnDataOfOneMoment: what is killed from there on keeps nothing from going on.
func TestARestoreStartsOnDataOfOneMoment(t *testing.T) {
	s := newShop(t)
	first, _ := s.killedBetween()
	opened, _ := s.opened()
	note, _, err := noteIn(opened.Project)
	if err != nil {
		t.Fatal(err)
	}
	asked := len(s.Calls())
	if err := s.Run(s.app.restoreCommand(), first, "--project-name", "shop-1"); err != nil {
		t.Fatal(err)
	}
	calls := s.Calls()[asked:]
	over := slices.Index(calls, "DELETE /volumes/shop-1_restoring")
	for _, id := range note.Stopped {
		if start := slices.Index(calls, "POST /containers/"+id+"/start"); over < 0 || start < over {
			t.Errorf("it is over at %d, and %s is started at %d of %q", over, id, start, calls)
		}
	}
}

// TestAKilledRestoreWhoseDataAreInUse, as somebody has started convex by hand: what is not in
// its place is put there, and what is in its place stays as convex has made it since.
func TestAKilledRestoreWhoseDataAreInUse(t *testing.T) {
	for name, tt := range map[string]struct {
		swapped bool
		file    string
	}{
		"between the swaps": {false, "1.tar"},
		"after both":        {true, "written since"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			first, _ := s.killedBetween()
			opened, state := s.opened()
			server, release, err := postgres(t.Context(), opened, state)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			note, _, err := noteIn(opened.Project)
			if err != nil {
				t.Fatal(err)
			}
			swap := backup.Restore{Engine: opened.Engine, Server: server, Volume: "shop-1_convex-data", Run: note.Run}
			if tt.swapped {
				err = swap.SwapVolume(t.Context())
			}
			if err := errors.Join(err, opened.Engine.Start(t.Context(), "shop-1-convex")); err != nil {
				t.Fatal(err)
			}
			testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"storage/file": "written since"})
			if err := s.Run(s.app.restoreCommand(), first); err != nil {
				t.Fatal(err)
			}
			if now := s.Holds(); strings.Contains(now, "runs: false") || !strings.Contains(now, "/storage/file: "+tt.file) || !strings.Contains(now, "tale_platform: 1.tar") || strings.Contains(now, "under way") {
				t.Errorf("there is\n%s", now)
			}
		})
	}
}

// TestARestoreThatIsNotedHalf, as it is where it is killed between its two notes, or only one
// can be written: the same command starts what was stopped.
func TestARestoreThatIsNotedHalf(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	before := s.Holds()
	s.Fault("DELETE", "/volumes/shop-1_restoring", enginetest.Fault{Status: 500, Message: "no space left on device"}, 1)
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"), exit.Degraded, "cannot be noted")
	opened, _ := s.opened()
	testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, "finishes it")
	testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"storage/file": "written since"})
	if err := s.Run(s.app.restoreCommand(), file); err != nil {
		t.Fatal(err)
	}
	if now := s.Holds(); now == before || !strings.Contains(now, "/storage/file: written since") || strings.Contains(now, "runs: false") {
		t.Errorf("there is\n%s", now)
	}
	if err := Unfinished(t.Context(), opened); err != nil {
		t.Error(err)
	}
}

// TestARestoreOnlyStartsTheRest where the last one could not start all, and what could went on:
// what that has written is replaced by a restore that asks.
func TestARestoreOnlyStartsTheRest(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	before := s.Holds()
	s.restoredButPlatform(file)
	testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"storage/file": "written since"})
	if err := s.Run(s.app.restoreCommand(), file); err != nil {
		t.Fatal(err)
	}
	if now := s.Holds(); strings.Contains(now, "runs: false") || !strings.Contains(now, "/storage/file: written since") {
		t.Errorf("there is\n%s", now)
	}
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file), exit.Usage, "--project-name")
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil || s.Holds() != before {
		t.Errorf("%v, and there is\n%s", err, s.Holds())
	}
}

// TestARestoreThatWasOver is none any more once what it could not start has run, also where that
// is stopped again: the same command is another restore, which asks.
func TestARestoreThatWasOver(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	opened, _ := s.opened()
	e, platform := opened.Engine, s.restoredButPlatform(file)
	if err := errors.Join(e.Start(t.Context(), platform), e.Stop(t.Context(), platform, 0)); err != nil {
		t.Fatal(err)
	}
	testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{"storage/file": "weeks later"})
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file), exit.Usage, "--project-name")
}

// TestWhatStartsWhileABackupIsUnpacked is stopped for the swap as well.
func TestWhatStartsWhileABackupIsUnpacked(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	e := s.Engine()
	defer func() { _ = e.Close() }()
	convex, err := e.Inspect(t.Context(), "shop-1-convex")
	if err == nil {
		err = e.Stop(t.Context(), convex.ID, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
		if args[0] == "backup-unpack" {
			if err := e.Start(ctx, convex.ID); err != nil {
				return err
			}
		}
		return taletest.Help(ctx, root, args, in, out, talk)
	})
	asked := len(s.Calls())
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil {
		t.Fatal(err)
	}
	if calls := s.Calls()[asked:]; !slices.Contains(calls, "POST /containers/"+convex.ID+"/stop") {
		t.Errorf("convex was not stopped: %q", calls)
	}
}
