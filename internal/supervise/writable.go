package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkWritable proves that a folder can be written to, by writing, and makes
// it when it is missing. The error says whose folder it is and what to do.
func checkWritable(folder string) error {
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		var probe *os.File
		if probe, err = os.CreateTemp(folder, ".writable-*"); err == nil {
			return errors.Join(probe.Close(), os.Remove(probe.Name()))
		}
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
