package backup_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestADiskThatIsFull: what is half has no name, and the means are named once.
func TestADiskThatIsFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.tar")
	if err := os.Symlink("/dev/full", path+".partial"); err != nil {
		t.Fatal(err)
	}
	take := backup.Take{Files: map[string][]byte{"tale.json": []byte("{}")}, Path: path, Moves: func(string, int64) {}}
	_, err := take.Run(t.Context())
	testkit.WantError(t, err, exit.Failure, "cannot write the backup, and keep nothing of it: ", "no space left on device; make room, or name a FILE on another disk")
	if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
	if _, err := take.Run(t.Context()); err != nil {
		t.Errorf("with room: %v", err)
	}
}

// TestABackupIsForItsOwner: it holds all data, and secrets.
func TestABackupIsForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.tar")
	during := os.FileMode(0)
	take := backup.Take{Path: path, Moves: func(string, int64) {
		if info, err := os.Stat(path + backup.Partial); err == nil {
			during = info.Mode().Perm()
		}
	}}
	if _, err := take.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 || during != 0o600 {
		t.Errorf("its mode is %o, and was %o", info.Mode().Perm(), during)
	}
}

// TestABackupIsNotReadFromAPipe: it would wait for a writer, or for what has gone by.
func TestABackupIsNotReadFromAPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Open(pipe)
	testkit.WantError(t, err, exit.Usage, "write it into a file first")
}

// TestALinkIsFollowed: to where its owner wants the backups.
func TestALinkIsFollowed(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target.tar"), filepath.Join(dir, "link.tar")
	if err := errors.Join(os.WriteFile(target, nil, 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if _, err := (backup.Take{Path: link, Moves: func(string, int64) {}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	written, err := os.Stat(target)
	if to, unlinked := os.Readlink(link); to != target || err != nil || written.Size() == 0 {
		t.Errorf("%s leads to %q (%v), and there is %+v, %v", link, to, unlinked, written, err)
	}
}

// TestADiskThatGivesBackOtherBytes is found out before anybody relies on the backup.
func TestADiskThatGivesBackOtherBytes(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, recipients := range map[string][]age.Recipient{"in plain text": nil, "encrypted": {key.Recipient()}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "b.tar")
			take := backup.Take{Files: map[string][]byte{"tale.json": []byte("{}")}, Path: path, Recipients: recipients, Moves: func(stage string, _ int64) {
				file, err := os.OpenFile(path+backup.Partial, os.O_RDWR, 0)
				if err != nil || stage != "read back" {
					return
				}
				defer func() { _ = file.Close() }()
				info, _ := file.Stat()
				some := make([]byte, 1)
				_, _ = file.ReadAt(some, info.Size()/2)
				some[0] ^= 1
				_, _ = file.WriteAt(some, info.Size()/2)
			}}
			if _, err := take.Run(t.Context()); err == nil {
				t.Error("it is taken for a backup")
			}
			if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
				t.Errorf("%q are left", left)
			}
		})
	}
}

// another is a recipient that begins another backup when the file is made.
type another func()

func (begin another) Wrap(key []byte) ([]*age.Stanza, error) {
	begin()
	return []*age.Stanza{{Type: "another", Body: key}}, nil
}

// TestTwoBackupsToOneFile, as of two projects: what is there is whole, and the other one is told.
func TestTwoBackupsToOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.tar")
	take := func(text string, recipients ...age.Recipient) error {
		_, err := backup.Take{Files: map[string][]byte{"tale.json": []byte(text)}, Path: path, Recipients: recipients, Moves: func(string, int64) {}}.Run(t.Context())
		return err
	}
	var second error
	first := take("first", another(func() { second = take("second") }))
	testkit.WantError(t, second, exit.Temporary, "another backup is written to "+path)
	if info, err := os.Stat(path); first != nil || err != nil || info.Size() == 0 {
		t.Errorf("%v, and there is %+v, %v", first, info, err)
	}
	if err := errors.Join(os.WriteFile(path+backup.Partial, []byte("of one that was killed, and longer than it is"), 0o600), take("third")); err != nil {
		t.Error(err)
	}
	source, err := backup.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	if _, err := source.Verify(); err != nil {
		t.Error(err)
	}
}

// TestABackupThatFailsBesideAnother, which begins at that moment, takes away nothing of that.
func TestABackupThatFailsBesideAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.tar")
	take := func(recipients ...age.Recipient) error {
		_, err := backup.Take{Path: path, Recipients: recipients, Moves: func(string, int64) {}}.Run(t.Context())
		return err
	}
	for range 100 {
		begun, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- take(failing(func() { close(begun) }))
		}()
		<-begun
		err := take()
		for exit.Code(err) == exit.Temporary {
			err = take()
		}
		if failed := <-ended; err != nil || failed == nil {
			t.Fatalf("%v, and of the one that fails: %v", err, failed)
		}
	}
}

// failing is a recipient that there is no key for.
type failing func()

func (begun failing) Wrap([]byte) ([]*age.Stanza, error) {
	begun()
	return nil, errors.New("no key")
}
