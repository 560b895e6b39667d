// Package atomicfile replaces files in one step, so that a reader, or a
// process killed half-way, never sees half of one.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Write puts data at path: into a temporary file beside it first, then by
// rename. The file gets exactly the given permissions, whatever the umask. When
// Write returns, file and name are on the disk: after a power cut there is the old
// content or the new, never an empty file.
func Write(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, func(file *os.File) error { return file.Sync() }, SyncFolder)
}

// WriteVolatile writes as Write does, without waiting for the disk. It is for files that matter
// to running processes only, such as those of the run folder.
func WriteVolatile(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, func(*os.File) error { return nil }, func(string) error { return nil })
}

func write(path string, data []byte, perm fs.FileMode, sync func(*os.File) error, syncFolder func(string) error) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Chmod(perm)); err == nil {
		err = sync(temp)
	}
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// SyncFolder waits until the names in a folder are on the disk.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot keep the names in a folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("cannot keep the names in %s: %w", path, err)
	}
	return nil
}

// IsFull reports whether an error is that of a disk, or of what a user may have of it, that is full.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
