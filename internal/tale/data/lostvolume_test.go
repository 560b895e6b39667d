package data

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/session"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// killedAt kills a command as it asks the engine, after so many other requests of that kind, and
// reports whether it came so far.
func (s *shop) killedAt(method, path string, after int, args ...string) bool {
	s.t.Helper()
	s.Fault(method, path, enginetest.Fault{Hang: true, After: after}, 1)
	defer s.Mend()
	begun := len(s.Calls())
	asked := func() (times int) {
		for _, call := range s.Calls()[begun:] {
			if path == "*" || call == method+" "+path {
				times++
			}
		}
		return times
	}
	command := exec.CommandContext(s.t.Context(), "/proc/self/exe", append(args, "--project", s.app.Folder)...)
	command.Env = []string{testkit.RoleVariable + "=tale", "HOME=" + s.app.Folder, "DOCKER_HOST=" + s.Host()}
	p := testkit.Start(s.t, command)
	ended := func() bool {
		return slices.ContainsFunc([]string{"restored: ", "given up: ", "finished: ", "removed: ", "nothing to do: "}, p.Says)
	}
	p.Until("it asks, or ends", func() bool { return asked() > after || ended() })
	p.Signal(syscall.SIGKILL)
	p.Wait()
	return !ended()
}

// TestARestoreIntoALostVolumeThatIsKilled anywhere: a volume that lacks what it had is never taken
// for one that nothing was lost of, and the same command restores it.
func TestARestoreIntoALostVolumeThatIsKilled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	opened, _ := s.opened()
	e := opened.Engine
	if err := errors.Join(e.Stop(t.Context(), "shop-1-convex", 0), e.Remove(t.Context(), "shop-1-convex")); err != nil {
		t.Fatal(err)
	}
	held := s.Holds()
	half := 0
	for request, goesOn := 0, true; goesOn; request++ {
		if err := e.RemoveVolume(t.Context(), "shop-1_convex-data"); err != nil {
			t.Fatal(err)
		}
		goesOn = s.killedAt("", "*", request, "restore", file, "--project-name", "shop-1")
		if _, there, err := e.Volume(t.Context(), "shop-1_convex-data"); err != nil || there && !strings.Contains(s.Holds(), "/storage/file: before") {
			half++
			testkit.WantError(t, errors.Join(err, Unfinished(t.Context(), opened)), exit.Config, "`tale restore "+file+"` finishes it")
			if request%2 == 0 {
				s.endedWithoutFile(opened)
			}
		}
		if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil {
			t.Errorf("killed at request %d: %v", request, err)
		}
		if now := s.Holds(); now != held {
			t.Fatalf("killed at request %d: it was\n%s\nand is\n%s", request, held, now)
		}
	}
	if half == 0 {
		t.Error("it was never killed while the volume was not whole")
	}
}

// endedWithoutFile ends the killed restore into a lost volume: that is whole then, or lost as before.
func (s *shop) endedWithoutFile(opened *session.Session) {
	s.t.Helper()
	s.app.Yes = true
	err := s.Run(s.app.restoreCommand(), "--discard-old")
	_, there, wrong := opened.Engine.Volume(s.t.Context(), "shop-1_convex-data")
	if err := errors.Join(err, wrong, Unfinished(s.t.Context(), opened)); err != nil || there && !strings.Contains(s.Holds(), "/storage/file: before") {
		s.t.Errorf("%v, and the volume is there: %v", err, there)
	}
	s.app.Yes = false
}

// TestARestoreThatWasKilledAsItWasTakenBack, and whose file cannot be unpacked now, is taken back
// to its end: nothing of it is in its place.
func TestARestoreThatWasKilledAsItWasTakenBack(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	s.Fill("now")
	now := s.Holds()
	opened, _ := s.opened()
	s.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "no", After: 1}, 1)
	if !s.killedAt("DELETE", "/volumes/shop-1_restoring", 0, "restore", file, "--project-name", "shop-1") {
		t.Fatal("it was not taken back")
	}
	testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, "`tale restore "+file+"` finishes it")
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		if slices.Contains(command, "pg_restore") {
			_, _ = io.Copy(io.Discard, in)
			return 1
		}
		return s.Postgres.Program(container, command, in, out, errs)
	})
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file), exit.Failure, "cannot restore the database tale_platform")
	if is := s.Holds(); is != now {
		t.Errorf("there was\n%s\nand is\n%s", now, is)
	}
	if err := Unfinished(t.Context(), opened); err != nil {
		t.Error(err)
	}
}

// TestWhatAKilledRestoreHasBegunGoesOn after the next run has looked: that one takes nothing back.
func TestWhatAKilledRestoreHasBegunGoesOn(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	settings := filepath.Join(s.app.Folder, ".env")
	testkit.WriteTree(t, s.app.Folder, map[string]string{".env": testkit.ReadFile(t, settings) + "\nCONVEX_STORAGE=sqlite\n"})
	file := s.backedUp()
	s.Fill("now")
	opened, state := s.opened()
	platform, _ := state.Current("platform")
	s.killedAt("POST", "/containers/"+platform.ID+"/stop", 0, "restore", file, "--project-name", "shop-1")
	note, _, err := restoringOf(t.Context(), opened)
	if err != nil || note.Run == "" {
		t.Fatalf("%+v is noted: %v", note, err)
	}
	var once sync.Once
	s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
		err := taletest.Help(ctx, root, args, in, out, talk)
		if args[0] == "backup-look" {
			once.Do(func() {
				err = errors.Join(err, taletest.Help(ctx, root, []string{"backup-swap", note.Run}, in, out, io.Discard))
			})
		}
		return err
	})
	s.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "no"}, 1)
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file), exit.Stuck, "again finishes it")
	testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, "`tale restore "+file+"` finishes it")
	if err := s.Run(s.app.restoreCommand(), file); err != nil || !strings.Contains(s.Holds(), "/storage/file: before") {
		t.Errorf("again: %v, and there is\n%s", err, s.Holds())
	}
	if err := Unfinished(t.Context(), opened); err != nil {
		t.Error(err)
	}
}

// TestAMadeVolumeThatStays, because something has it: that it lacks what it had stays noted.
func TestAMadeVolumeThatStays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	opened, _ := s.opened()
	e := opened.Engine
	if err := errors.Join(e.Stop(t.Context(), "shop-1-convex", 0), e.Remove(t.Context(), "shop-1-convex"), e.RemoveVolume(t.Context(), "shop-1_convex-data")); err != nil {
		t.Fatal(err)
	}
	s.Fault("DELETE", "/volumes/shop-1_convex-data", enginetest.Fault{Status: 409, Message: "volume is in use"}, -1)
	s.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "no"}, 1)
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"), exit.Failure, "until the same command goes on with it or `tale restore --discard-old` removes it: cannot remove the volume")
	s.Mend()
	testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, "`tale restore "+file+"` finishes it")
	if err := s.Run(s.app.restoreCommand(), file); err != nil || !strings.Contains(s.Holds(), "/storage/file: before") {
		t.Errorf("again: %v, and there is\n%s", err, s.Holds())
	}
}

// TestInterruptedAsItMakesTheVolume while the engine does not say whether there is one: it is not
// said that nothing was changed, and no more.
func TestInterruptedAsItMakesTheVolume(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	opened, _ := s.opened()
	e := opened.Engine
	if err := errors.Join(e.Stop(t.Context(), "shop-1-convex", 0), e.Remove(t.Context(), "shop-1-convex"), e.RemoveVolume(t.Context(), "shop-1_convex-data")); err != nil {
		t.Fatal(err)
	}
	s.Fault("POST", "/volumes/create", enginetest.Fault{Hang: true, After: 1}, 1)
	s.Fault("GET", "/volumes/shop-1_convex-data", enginetest.Fault{Status: 500, Message: "no", After: 1}, -1)
	command := exec.CommandContext(t.Context(), "/proc/self/exe", "restore", file, "--project", s.app.Folder, "--project-name", "shop-1")
	command.Env = []string{testkit.RoleVariable + "=tale", "HOME=" + s.app.Folder, "DOCKER_HOST=" + s.Host()}
	asked := func() (times int) {
		for _, call := range s.Calls() {
			if call == "POST /volumes/create" {
				times++
			}
		}
		return times
	}
	before := asked()
	p := testkit.Start(t, command)
	p.Until("it makes the volume", func() bool { return asked() == before+2 })
	p.Signal(syscall.SIGINT)
	p.Expect("it stays noted that a restore is under way, until the same command goes on with it")
	if code := p.Wait(); code != exit.Interrupted {
		t.Errorf("exit %d", code)
	}
	s.Mend()
	testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, "`tale restore "+file+"` finishes it")
}

// TestANoteOfWhatIsOver, as another folder has finished that, whose volume was lost later: the same
// backup is restored as a whole, also the databases that were used since.
func TestANoteOfWhatIsOver(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	opened, state := s.opened()
	platform, _ := state.Current("platform")
	s.killedAt("POST", "/containers/"+platform.ID+"/stop", 0, "restore", file, "--project-name", "shop-1")
	noted := opened.Project.Path(restoringName)
	text := testkit.ReadFile(t, noted)
	note, _, err := noteIn(opened.Project)
	if err = errors.Join(err, s.Run(s.app.restoreCommand(), file)); err != nil {
		t.Fatal(err)
	}
	e := opened.Engine
	if err := errors.Join(os.WriteFile(noted, []byte(text), 0o600), e.Stop(t.Context(), "shop-1-convex", 0), e.Remove(t.Context(), "shop-1-convex"), e.RemoveVolume(t.Context(), "shop-1_convex-data")); err != nil {
		t.Fatal(err)
	}
	s.Postgres.Reset(map[string]string{"tale_platform": "used"})
	mark := "COMMENT ON DATABASE \"tale_platform\" IS 'tale.restored=" + note.Run + "';\n"
	if s.Postgres.Program("", []string{"psql", "-d", "dbname='postgres'"}, strings.NewReader(mark), io.Discard, io.Discard) != 0 {
		t.Fatal("the database is not marked")
	}
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil {
		t.Fatal(err)
	}
	if now := s.Holds(); !strings.Contains(now, "tale_platform: before") || !strings.Contains(now, "/storage/file: before") || strings.Contains(now, "under way") {
		t.Errorf("there is\n%s", now)
	}
}
