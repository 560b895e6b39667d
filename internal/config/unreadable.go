package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ExplainUnreadable says whose a file is that this user may not read, and what
// helps.
func ExplainUnreadable(path string, err error) error {
	if errors.Is(err, syscall.EISDIR) {
		return fmt.Errorf("%w: Docker makes a folder where the file that is to be mounted was missing on the host", err)
	}
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	info, statErr := os.Stat(path)
	if statErr != nil {
		return err // it is the folder
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return err
	}
	return fmt.Errorf("%w: it belongs to uid %d gid %d with mode %04o, and this process runs as uid %d gid %d: give the file to that user (chown %[5]d %[7]s)",
		err, owner.Uid, owner.Gid, info.Mode().Perm(), os.Geteuid(), os.Getegid(), path)
}
