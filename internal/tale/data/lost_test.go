package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// lossOfPostgres is how the server of a shop goes while a program reads or writes.
type lossOfPostgres struct {
	code int    // of the program
	says string // the program
	stop bool   // its container stops
	away bool   // it does not answer afterwards
	exit int    // of tale
	fix  string
}

// What the programs of Postgres 15 were seen to say when their server was killed.
var losses = map[string]lossOfPostgres{
	"it crashes":                          {1, "pg: error: server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally", false, false, exit.Temporary, "run the same command again"},
	"its container is started again":      {137, "", false, false, exit.Temporary, "run the same command again"},
	"it is away":                          {1, "pg: error: server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally", false, true, exit.Unavailable, "`tale db status` says when it does again"},
	"its container stops":                 {137, "", true, false, exit.Unavailable, "`tale db status` says when it does again"},
	"its container stops, and it says so": {1, "pg: error: server closed the connection unexpectedly", true, false, exit.Unavailable, "`tale db status` says when it does again"},
}

// lose lets it go while a program is in the middle, and returns what brings it back.
func (s *shop) lose(program string, loss lossOfPostgres) (back func()) {
	away := false
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		switch {
		case away:
			_, _ = fmt.Fprintln(errs, "psql: error: connection to server failed: Connection refused")
			return 2
		case !slices.Contains(command, program):
			return s.Postgres.Program(container, command, in, out, errs)
		case program == "pg_dump":
			_, _ = io.WriteString(out, "half of")
		default:
			_, _ = io.ReadFull(in, make([]byte, 100_000))
		}
		if away = loss.away; loss.stop {
			s.Die("shop-1-db", 137, true)
		}
		_, _ = io.WriteString(errs, loss.says)
		return loss.code
	})
	return func() {
		away = false
		s.SetProgram(s.Postgres.Program)
		e := s.Engine()
		defer e.Close()
		if err := e.Start(s.t.Context(), "shop-1-db"); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestPostgresGoesInTheMiddle of a dump and of a restore: the cause is told, with what mends
// it, what served serves with its data, no file is half a backup, and the same command does
// it when the server is back.
func TestPostgresGoesInTheMiddle(t *testing.T) {
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.Fill("before")
			s.Postgres.Reset(map[string]string{"tale_platform": strings.Repeat("before", 1<<20)})
			file, before := filepath.Join(s.app.Folder, "b.tar"), s.Holds()
			fails := func(program string, command func() *cobra.Command, args ...string) {
				t.Helper()
				back := s.lose(program, loss)
				err := s.Run(command(), args...)
				testkit.WantError(t, err, loss.exit, loss.fix)
				if text := err.Error(); strings.Count(text, "Postgres does not answer") > 1 || strings.Contains(text, "Docker engine") {
					t.Errorf("%s: %v", program, err)
				}
				back()
			}
			fails("pg_dump", s.app.backupCommand, file)
			if left, _ := filepath.Glob(file + "*"); len(left) > 0 || s.Holds() != before {
				t.Errorf("%q are left, and there is %.200s", left, s.Holds())
			}
			if err := s.Run(s.app.backupCommand(), file); err != nil {
				t.Fatal(err)
			}
			s.Fill("now")
			now := s.Holds()
			fails("pg_restore", s.app.restoreCommand, file, "--project-name", "shop-1")
			is := s.Holds()
			if _, rest, unpacked := strings.Cut(is, "tale_platform_restoring: "); unpacked && loss.exit == exit.Unavailable {
				is = strings.TrimSuffix(is, "\ntale_platform_restoring: "+rest) // it could not be removed
			}
			if is != now {
				t.Errorf("there was\n%s\nand is\n%.500s", now, is)
			}
			if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil || s.Holds() != before {
				t.Errorf("again: %v, and there is %.500s", err, s.Holds())
			}
		})
	}
}

// onSmallDisk gives the volume of a shop a disk of its own, with what the shop has there.
func (s *shop) onSmallDisk(size, with string) (folder string) {
	s.t.Helper()
	folder = s.Folder("shop-1_convex-data")
	if out, err := exec.CommandContext(s.t.Context(), "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", folder).CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %s", err, out)
	}
	s.t.Cleanup(func() { _ = unix.Unmount(folder, 0) })
	testkit.WriteTree(s.t, folder, map[string]string{"storage/file": with})
	s.Postgres.Reset(map[string]string{"tale_platform": with})
	return folder
}

// before lets something happen in the volume before a helper of a verb works there.
func (s *shop) before(verb string, happens func()) {
	s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
		if args[0] == verb {
			happens()
		}
		return taletest.Help(ctx, root, args, in, out, talk)
	})
}

// TestAVolumeThatIsFullInTheMiddle of a restore, as the site has written there since its room
// was looked at: nothing of the backup stays, what served serves, the error says what is
// missing, and the same command does it when there is room.
func TestAVolumeThatIsFullInTheMiddle(t *testing.T) {
	s := newShop(t)
	file := filepath.Join(s.app.Folder, "b.tar")
	restore := func() error { return s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1") }
	for name := range 3 {
		testkit.WriteTree(t, s.Folder("shop-1_convex-data"), map[string]string{fmt.Sprint(name): strings.Repeat("x", 200_000)})
	}
	if err := s.Run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	backedUp := s.Holds()
	folder := s.onSmallDisk("1200k", "now")
	s.before("backup-unpack", func() { testkit.WriteTree(t, folder, map[string]string{"grown": strings.Repeat("y", 700_000)}) })
	testkit.WantError(t, restore(), exit.Failure, "the disk of the volume shop-1_convex-data is full: 200 kB of 600 kB are still to come; make room", "`tale cleanup`", "run the same command again", "no space left on device")
	if err := os.Remove(filepath.Join(folder, "grown")); err != nil {
		t.Fatal(err)
	}
	if is := s.Holds(); !strings.Contains(is, "/storage/file: now\nshop-1-convex runs: true\nshop-1-db runs: true\nshop-1-platform runs: true\ntale_platform: now") || strings.Contains(is, "under way") {
		t.Errorf("there is\n%s", is)
	}
	if left, err := os.ReadDir(filepath.Join(folder, ".tale-restore")); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	s.before("", nil)
	if err := restore(); err != nil || s.Holds() != backedUp {
		t.Errorf("again: %v, and there is\n%.500s", err, s.Holds())
	}
}

// TestAVolumeThatIsFullWhenItsTurnComes: the databases are swapped by then.
func TestAVolumeThatIsFullWhenItsTurnComes(t *testing.T) {
	s := newShop(t)
	file := s.backedUp()
	backedUp := s.Holds()
	folder := s.onSmallDisk("1200k", "now")
	s.before("backup-swap", func() {
		filler, err := os.Create(filepath.Join(folder, "grown"))
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.Copy(filler, neverEnds{}); !errors.Is(err, unix.ENOSPC) {
			t.Error(err)
		}
		_ = filler.Close()
	})
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil || s.Holds() != backedUp {
		t.Errorf("%v, and there is\n%s", err, s.Holds())
	}
}

type neverEnds struct{}

func (neverEnds) Read(into []byte) (int, error) { return len(into), nil }

// TestNamesOfDatabases: Postgres cuts long ones that get an ending, so that they begin alike,
// and its programs take some for settings of a connection.
func TestNamesOfDatabases(t *testing.T) {
	s := newShop(t)
	file := filepath.Join(s.app.Folder, "b.tar")
	before := map[string]string{"tale_platform": "1", strings.Repeat("a", 42) + "x": "2", strings.Repeat("a", 42) + "y": "3", strings.Repeat("a", 60) + "z": "4", strings.Repeat("ä", 31): "5", strings.Repeat("ä", 30) + "ö": "6", "a=b": "7", `it's a \ name`: "8", "postgresql://x": "9"}
	s.Postgres.Reset(before)
	if err := s.Run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	kept := 0
	for range 2 {
		if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil {
			t.Fatal(err)
		}
		kept += len(before)
		if now := s.Postgres.Contents(); len(now) != len(before)+kept {
			t.Errorf("%d databases are there: %q", len(now), slices.Sorted(maps.Keys(now)))
		}
	}
	s.app.Yes = true
	if err := s.Run(s.app.restoreCommand(), "--discard-old"); err != nil {
		t.Fatal(err)
	}
	if now := s.Postgres.Contents(); !maps.Equal(now, before) {
		t.Errorf("there is %q, want %q", now, before)
	}
}

// TestPostgresRestartsWhileDatabasesAreSwapped: what has been stopped waits for it, and does
// not stay stopped.
func TestPostgresRestartsWhileDatabasesAreSwapped(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	before := s.Holds()
	s.Fill("now")
	refused := 0
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		stopped := slices.ContainsFunc(s.Calls(), func(call string) bool { return strings.HasSuffix(call, "/stop") })
		if stopped && refused < 14 { // more often than the swap is tried, and the server asked
			refused++
			_, _ = fmt.Fprintln(errs, "psql: error: connection to server failed: FATAL: the database system is starting up")
			return 2
		}
		return s.Postgres.Program(container, command, in, out, errs)
	})
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil || s.Holds() != before || refused != 14 {
		t.Errorf("refused %d times: %v, and there is\n%s", refused, err, s.Holds())
	}
}

// TestADiskOfPostgresThatFillsUp in the middle of a restore: it is given up in time.
func TestADiskOfPostgresThatFillsUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.Info.Name = "another-host" // a helper measures its disk
	file := filepath.Join(s.app.Folder, "b.tar")
	s.Postgres.Reset(map[string]string{"tale_platform": strings.Repeat("before", 1<<20)})
	if err := s.Run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	before := s.Holds()
	s.Fill("now")
	now := s.Holds()
	restore := func() error { return s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1") }
	s.SetDisk(200<<20, 20<<30)
	testkit.WantError(t, restore(), exit.Failure, "the engine's disk has 0 B free", "nothing was changed")
	s.SetDisk(10<<30, 20<<30)
	s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
		if slices.Contains(command, "pg_restore") {
			s.SetDisk(200<<20, 20<<30)
			<-t.Context().Done() // it is ended with its connection
		}
		return s.Postgres.Program(container, command, in, out, errs)
	})
	testkit.WantError(t, restore(), exit.Failure, "only 210 MB are free where Postgres has its data", "`tale cleanup`", "run the same command again")
	if is := s.Holds(); is != now {
		t.Errorf("there was\n%s\nand is\n%.500s", now, is)
	}
	s.SetDisk(10<<30, 20<<30)
	s.SetProgram(s.Postgres.Program)
	s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
		if args[0] == "backup-swap" {
			return exit.Errorf(exit.SignalBase+9, "killed")
		}
		return taletest.Help(ctx, root, args, in, out, talk)
	})
	testkit.WantError(t, restore(), exit.Stuck, "again finishes it")
	s.SetDisk(0, 20<<30) // what is finished takes no room
	s.SetHelper(taletest.Help)
	if err := restore(); err != nil || s.Holds() != before {
		t.Errorf("again: %v, and there is\n%.500s", err, s.Holds())
	}
}

// TestAHelperThatIsKilled in the volume: what serves goes on, and the same command does it.
func TestAHelperThatIsKilled(t *testing.T) {
	s := newShop(t)
	file := filepath.Join(s.app.Folder, "b.tar")
	kill := func(verb string) {
		s.SetHelper(func(ctx context.Context, root string, args []string, in io.Reader, out, talk io.Writer) error {
			if args[0] == verb {
				return exit.Errorf(exit.SignalBase+9, "killed")
			}
			return taletest.Help(ctx, root, args, in, out, talk)
		})
	}
	before := s.Holds()
	kill("backup-read")
	testkit.WantError(t, s.Run(s.app.backupCommand(), file), exit.Temporary, "the volume shop-1_convex-data", "was killed (exit code 137)", "run the same command again")
	if left, _ := filepath.Glob(file + "*"); len(left) > 0 || s.Holds() != before {
		t.Errorf("%q are left, and there is\n%s", left, s.Holds())
	}
	kill("")
	if err := s.Run(s.app.backupCommand(), file); err != nil {
		t.Fatal(err)
	}
	s.Fill("now")
	now := s.Holds()
	kill("backup-unpack")
	testkit.WantError(t, s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"), exit.Temporary, "the volume shop-1_convex-data", "was killed (exit code 137)", "run the same command again")
	if is := s.Holds(); is != now {
		t.Errorf("there was\n%s\nand is\n%s", now, is)
	}
	kill("")
	if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil || s.Holds() != before {
		t.Errorf("%v, and there is\n%s", err, s.Holds())
	}
}

// TestAVolumeWhoseDriverIsAway: an engine does not list it, cannot make one of its name, and
// cannot start a helper with it.
func TestAVolumeWhoseDriverIsAway(t *testing.T) {
	const says = `error while checking if volume "shop-1_convex-data" exists in driver "far": error looking up volume plugin far: plugin "far" not found`
	for _, request := range []string{"/volumes/create", "/containers/create"} {
		s := newShop(t)
		file := s.backedUp()
		e := s.Engine()
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
		err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1")
		testkit.WantError(t, err, exit.Unavailable, `driver "far"`, "is the plugin of the volume's driver there? `docker plugin ls` says")
		if slices.ContainsFunc(s.Calls()[asked:], func(call string) bool { return strings.HasSuffix(call, "/stop") }) {
			t.Errorf("%q", s.Calls()[asked:])
		}
		if _, err := os.Stat(filepath.Join(s.app.Folder, ".tale", restoringName)); err == nil {
			t.Error("a restore is under way")
		}
	}
}
