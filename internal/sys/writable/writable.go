// Package writable finds out whether folders can be written to, and says what to
// do about those that cannot.
package writable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Check proves that folders can be written to, by writing, and makes
// those that are missing. The error names every folder in the way and carries
// exit.NoPermission, or exit.Unavailable when a disk is full: then the same
// start works once there is space.
func Check(folders ...string) error {
	var problems []error
	var failed string // what is below it fails for the same reason
	for _, folder := range folders {
		if failed != "" && strings.HasPrefix(folder, failed+"/") {
			continue
		}
		if err := probe(folder); err != nil {
			failed = folder
			problems = append(problems, unwritable(folder, err))
		}
	}
	return WithExitCode(errors.Join(problems...))
}

// WithExitCode gives an error its exit code: exit.Unavailable for a full disk,
// otherwise exit.NoPermission.
func WithExitCode(err error) error {
	if isFull(err) {
		return exit.With(exit.Unavailable, err)
	}
	return exit.With(exit.NoPermission, err)
}

// probe leaves nothing behind. It writes data, as a full disk often has room
// for an empty file.
func probe(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, ".writable-*")
	if err != nil {
		return err
	}
	_, err = file.Write(bytes.Repeat([]byte{1}, 4096))
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// unwritable says whose folder it is and what to do.
func unwritable(folder string, err error) error {
	if isFull(err) {
		return fmt.Errorf("cannot write to %s: the disk is full (%w): free some space, or give the volume more", folder, err)
	}
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("cannot write to %s: it is on a read-only file system: mount a volume or a tmpfs there, or mount it without :ro", folder)
	}
	if !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("cannot write to %s: %w", folder, err)
	}
	return fmt.Errorf("cannot write to %s: %s, and this process runs as uid %d gid %d: give the folder to that user "+
		"(chown -R %[3]d:%[4]d), or start the container once as root", folder, describeOwner(folder), os.Geteuid(), os.Getegid())
}

// describeOwner says whose an existing folder is, or else its nearest parent.
func describeOwner(folder string) string {
	for path := folder; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		if err == nil {
			owner := info.Sys().(*syscall.Stat_t)
			what := "it"
			if path != folder {
				what = path
			}
			return fmt.Sprintf("%s belongs to uid %d gid %d with mode %04o", what, owner.Uid, owner.Gid, info.Mode().Perm())
		}
		if path == filepath.Dir(path) {
			return err.Error()
		}
	}
}
