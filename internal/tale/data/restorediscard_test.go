package data

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// keptInVolume gives a shop its documents in the volume.
func (s *shop) keptInVolume() {
	settings := filepath.Join(s.app.Folder, ".env")
	testkit.WriteTree(s.t, s.app.Folder, map[string]string{".env": testkit.ReadFile(s.t, settings) + "\nCONVEX_STORAGE=sqlite\n"})
}

// TestAKilledRestoreEndsWithoutItsFile, wherever it was killed since it was noted, and wherever what
// ends it is killed: the data are of one moment, and what ran runs.
func TestAKilledRestoreEndsWithoutItsFile(t *testing.T) {
	for name, prepare := range map[string]func(*shop){"a server": func(*shop) {}, "documents in the volume": (*shop).keptInVolume} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			prepare(s)
			file := s.backedUp()
			backedUp, asked := s.Holds(), len(s.Calls())
			if name != "a server" {
				backedUp = strings.Replace(backedUp, "tale_platform: before", "tale_platform: now", 1)
			}
			s.Fill("now")
			now := s.Holds()
			if err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1"); err != nil {
				t.Fatal(err)
			}
			noted := slices.Index(s.Calls()[asked:], "POST /volumes/create")
			opened, _ := s.opened()
			s.app.Yes = true
			ends := map[string]int{}
			for request, goesOn := noted, true; goesOn; request++ {
				s.Fill("now")
				goesOn = s.killedAt("", "*", request, "restore", file, "--project-name", "shop-1")
				err := Unfinished(t.Context(), opened)
				if err == nil {
					continue
				}
				testkit.WantError(t, err, exit.Config, "`tale restore "+file+"` finishes it; without that file `tale restore --discard-old` ends it")
				how := "--discard-old"
				if request%3 == 0 && s.killedAt("", "*", request*2/3, "restore", how, "--yes") && Unfinished(t.Context(), opened) == nil {
					how = file // it starts what it has stopped
				}
				if err := s.Run(s.app.restoreCommand(), how); err != nil {
					t.Errorf("killed at request %d: %v", request, err)
				}
				switch is := s.Holds(); is {
				case now, backedUp:
					ends[is]++
				default:
					t.Fatalf("killed at request %d: there is\n%s", request, is)
				}
				if err := Unfinished(t.Context(), opened); err != nil {
					t.Errorf("killed at request %d: %v", request, err)
				}
			}
			if ends[backedUp] == 0 || ends[now] == 0 {
				t.Errorf("it ended with %v", ends)
			}
		})
	}
}

// killedAsItStops lets the restore of a backup of "before" be killed as it stops the first service,
// and returns what it has noted.
func (s *shop) killedAsItStops() (file string, note restoringNote) {
	s.t.Helper()
	file = s.backedUp()
	s.Fill("now")
	opened, state := s.opened()
	platform, _ := state.Current("platform")
	s.killedAt("POST", "/containers/"+platform.ID+"/stop", 0, "restore", file, "--project-name", "shop-1")
	note, _, err := restoringOf(s.t.Context(), opened)
	if err != nil || note.Run == "" {
		s.t.Fatalf("%+v is noted: %v", note, err)
	}
	return file, note
}

// TestTheSwapOfAKilledRestoreGoesOn in the server after the next run has looked, and before that has
// removed what the swap needs: nothing is taken back, and the next run finishes it.
func TestTheSwapOfAKilledRestoreGoesOn(t *testing.T) {
	for name, ends := range map[string][]string{"the same restore": {}, "without its file": {"--discard-old"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			file, note := s.killedAsItStops()
			opened, _ := s.opened()
			s.app.Yes = true
			swap := "BEGIN;\nALTER DATABASE \"tale_platform\" RENAME TO \"tale_platform_before_1\";\nALTER DATABASE \"tale_platform_restoring\" RENAME TO \"tale_platform\";\nCOMMIT;\n"
			swaps := 0
			s.SetProgram(func(container string, command []string, in io.Reader, out, errs io.Writer) int {
				if slices.Contains(command, "psql") {
					text, _ := io.ReadAll(in)
					in = bytes.NewReader(text)
					if swaps == 0 && bytes.Contains(text, []byte("DROP DATABASE")) {
						swaps++
						s.Postgres.Program(container, command, strings.NewReader(swap), out, errs)
					}
				}
				return s.Postgres.Program(container, command, in, out, errs)
			})
			if len(ends) == 0 {
				ends = []string{file}
				s.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "no"}, 1)
			}
			testkit.WantError(t, s.Run(s.app.restoreCommand(), ends...), exit.Stuck, "`"+console.Quoted("tale restore", ends...)+"` again ")
			if swaps != 1 {
				t.Error("it did not go on")
			}
			testkit.WantError(t, Unfinished(t.Context(), opened), exit.Config, note.File)
			if err := s.Run(s.app.restoreCommand(), ends...); err != nil {
				t.Fatal(err)
			}
			if now := s.Holds(); strings.Contains(now, "now") || strings.Contains(now, "runs: false") || strings.Contains(now, "under way") {
				t.Errorf("there is\n%s", now)
			}
		})
	}
}

// TestRolesOfARestoreThatIsGivenUp, which made them, go: nothing names them. Others stay.
func TestRolesOfARestoreThatIsGivenUp(t *testing.T) {
	for name, ends := range map[string]string{"without its file": "--discard-old", "by the same restore, which fails": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			s.Postgres.Need("of before")
			if err := s.Run(s.app.restoreCommand(), s.backedUp(), "--project-name", "shop-1"); err != nil {
				t.Fatal(err)
			}
			s.Postgres.Need("of before", "reporting")
			s.Fill("before")
			file, _ := s.killedAsItStops()
			if made := s.Postgres.Made(); !slices.Equal(made, []string{"of before", "reporting"}) {
				t.Fatalf("made are %q", made)
			}
			s.app.Yes = true
			err := error(nil)
			if ends == "" {
				s.Fault("POST", "/containers/*/stop", enginetest.Fault{Status: 500, Message: "no"}, 1)
				testkit.WantError(t, s.Run(s.app.restoreCommand(), file), exit.Failure, "no")
			} else {
				err = s.Run(s.app.restoreCommand(), ends)
			}
			if made := s.Postgres.Made(); err != nil || !slices.Equal(made, []string{"of before"}) {
				t.Errorf("there are the roles %q: %v", made, err)
			}
		})
	}
}

// TestWhatDoesNotEndWithoutTheFile: databases on another server are not seen, and what is unpacked may
// be gone. Then nothing is changed, and the file finishes it.
func TestWhatDoesNotEndWithoutTheFile(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*shop) error
		says    string
	}{
		"another server": {func(s *shop) error {
			_, note := s.killedAsItStops()
			opened, _ := s.opened()
			note.Server = "db.example:5432/tale_platform"
			s.noted(note)
			return opened.Engine.RemoveVolume(s.t.Context(), "shop-1_restoring")
		}, "may be on another server"},
		"what is unpacked is gone": {func(s *shop) error {
			s.killedBetween()
			return os.RemoveAll(filepath.Join(s.Folder("shop-1_convex-data"), ".tale-restore"))
		}, "does not have the rest any more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			if err := tt.prepare(s); err != nil {
				t.Fatal(err)
			}
			opened, _ := s.opened()
			note, _, err := restoringOf(t.Context(), opened)
			before := s.Holds()
			s.app.Yes = true
			ends := s.Run(s.app.restoreCommand(), "--discard-old")
			testkit.WantError(t, errors.Join(err, ends), exit.Config, tt.says, "`tale restore "+note.File+"` finishes it; where nothing is left of those data, ")
			if is := s.Holds(); is != before {
				t.Errorf("there was\n%s\nand is\n%s", before, is)
			}
			if err := s.Run(s.app.restoreCommand(), note.File); err != nil || strings.Contains(s.Holds(), "now") || strings.Contains(s.Holds(), "under way") {
				t.Errorf("%v, and there is\n%s", err, s.Holds())
			}
		})
	}
}

// TestAFileThatIsDamaged since the restore of it was killed: what ends that is told with it.
func TestAFileThatIsDamaged(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file, _ := s.killedAsItStops()
	if err := os.Truncate(file, 5000); err != nil {
		t.Fatal(err)
	}
	err := s.Run(s.app.restoreCommand(), file)
	testkit.WantError(t, err, exit.Failure, "the backup is damaged", "without that file `tale restore --discard-old` ends it")
	testkit.WantError(t, s.Run(s.app.restoreCommand(), "--discard-old"), exit.Usage, "is given up: nothing of it is in its place")
}
