package seed

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// unfinished is the prefix of folders that are still being copied.
const unfinished = ".seeding-"

func putFile(source, target string, _ bool, _ leaveOut) error {
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(target, data, 0o644)
}

// syncFileSystem writes everything on a folder's file system to the disk.
func syncFileSystem(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(folder.Fd())), folder.Close())
}

// putFolder copies a folder as a whole: under another name first, so that a copy
// that was killed half-way never counts. Into a folder that exists its files are
// put one by one, and the user's own stay.
func putFolder(source, target string, exists bool, skip leaveOut) error {
	into := target
	if !exists {
		into = filepath.Join(filepath.Dir(target), unfinished+filepath.Base(target))
	}
	items, err := everyFile(source, skip)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	for _, item := range items {
		if err := putFile(filepath.Join(source, item), filepath.Join(into, item), exists, skip); err != nil {
			return err
		}
	}
	if exists {
		return nil
	}
	return os.Rename(into, target)
}

// removeUnfinished removes the copies of a seed that was killed.
func removeUnfinished(folder string) error {
	leftovers, err := filepath.Glob(filepath.Join(folder, unfinished+"*"))
	for _, leftover := range leftovers {
		if removeErr := os.RemoveAll(leftover); removeErr != nil {
			return removeErr
		}
	}
	return err
}
