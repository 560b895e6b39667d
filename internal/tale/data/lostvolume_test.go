package data

import (
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// killedAt kills a restore as it asks the engine, after so many other requests of that kind, and
// reports whether it came so far.
func (s *shop) killedAt(method, path string, after int, file string) bool {
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
	command := exec.CommandContext(s.t.Context(), "/proc/self/exe", "restore", file, "--project", s.app.Folder, "--project-name", "shop-1")
	command.Env = []string{testkit.RoleVariable + "=tale", "HOME=" + s.app.Folder, "DOCKER_HOST=" + s.Host()}
	p := testkit.Start(s.t, command)
	p.Until("it asks, or ends", func() bool { return asked() > after || p.Says("restored: ") })
	p.Signal(syscall.SIGKILL)
	p.Wait()
	return !p.Says("restored: ")
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
		goesOn = s.killedAt("", "*", request, file)
		if _, there, err := e.Volume(t.Context(), "shop-1_convex-data"); err != nil || there && !strings.Contains(s.Holds(), "/storage/file: before") {
			half++
			testkit.WantError(t, errors.Join(err, Unfinished(t.Context(), opened)), exit.Config, "`tale restore "+file+"` finishes it")
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
	if !s.killedAt("DELETE", "/volumes/shop-1_restoring", 0, file) {
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
