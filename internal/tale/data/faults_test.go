package data

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestAnyRequestOfABackupMayFail: what served serves, no file is there that is not whole,
// and the next run makes one.
func TestAnyRequestOfABackupMayFail(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := filepath.Join(s.app.Folder, "b.tar")
	backUp := func() error { return s.Run(s.app.backupCommand(), file, "--wait") }
	asked, before := s.requests(backUp), s.Holds()
	whole := func(how string) {
		source, err := backup.Open(file)
		if err == nil {
			_, err = source.Verify()
			err = errors.Join(err, source.Close(), os.Remove(file))
		}
		if err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
	whole("no fault")
	s.eachFails(asked, func(how string) {
		if err := backUp(); err == nil {
			whole(how)
		} else if left, _ := filepath.Glob(file + "*"); len(left) > 0 || strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: %q are left: %v", how, left, err)
		}
		if now := s.Holds(); now != before {
			t.Errorf("%s: there was\n%s\nand is\n%s", how, before, now)
		}
		s.Mend()
		if err := backUp(); err != nil {
			t.Errorf("the run after %s: %v", how, err)
		}
		whole("the run after " + how)
	})
}

// TestAnyRequestOfARestoreMayFail: what served serves with the data of before, or the error
// names the command that finishes it, and that does.
func TestAnyRequestOfARestoreMayFail(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	backedUp := s.Holds()
	s.Fill("now")
	now := s.Holds()
	restore := func() error { return s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1", "--wait") }
	asked := s.requests(restore)
	stuck := 0
	s.eachFails(asked, func(how string) {
		s.Fill("now")
		err, is := restore(), s.Holds()
		switch code := exit.Code(err); {
		case code == exit.Stuck, code == exit.Degraded:
			stuck++
			mend := "`tale restore " + file + "` again"
			if strings.Contains(err.Error(), "is started again") {
				mend = "`tale deploy` does"
			}
			testkit.WantError(t, err, code, mend)
			if !strings.Contains(is, "a restore is under way") {
				t.Errorf("%s: nothing is noted: %v", how, err)
			}
		case err == nil && is != backedUp, err != nil && is != now:
			t.Errorf("%s: %v, and there is\n%s", how, err, is)
		}
		s.Mend()
		if err := restore(); err != nil || s.Holds() != backedUp {
			t.Errorf("the run after %s: %v, and there is\n%s", how, err, s.Holds())
		}
	})
	if stuck == 0 {
		t.Error("no failure came between the swaps")
	}
}
