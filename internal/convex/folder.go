package convex

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// checkWritable proves that this user can make files in a folder.
func checkWritable(folder string) error {
	file, err := os.CreateTemp(folder, ".tale-writable-*")
	if err != nil {
		return fmt.Errorf("cannot write to %s: %w", folder, explainFolder(folder, err))
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// explainFolder says who we are, whose the folder is, and what to do.
func explainFolder(folder string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return errors.New("the file system is mounted read-only; mount a volume there that can be written to")
	case errors.Is(err, syscall.ENOSPC):
		return errors.New("no space is left on the device; make room")
	case !errors.Is(err, fs.ErrPermission):
		return err
	}
	// The folder itself, or its nearest parent that is there, is in the way.
	for at := folder; ; at = filepath.Dir(at) {
		info, statErr := os.Stat(at)
		if statErr != nil && at != filepath.Dir(at) {
			continue
		}
		stat, ok := sysStat(info)
		if !ok {
			return err
		}
		return fmt.Errorf("this process is uid %d, gid %d, and %s belongs to uid %d, gid %d with mode %04o; fix: chown -R %d:%d %s",
			os.Geteuid(), os.Getegid(), at, stat.Uid, stat.Gid, info.Mode().Perm(), os.Geteuid(), os.Getegid(), at)
	}
}

func sysStat(info fs.FileInfo) (*syscall.Stat_t, bool) {
	if info == nil {
		return nil, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return stat, ok
}
