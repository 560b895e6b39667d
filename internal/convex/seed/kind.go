package seed

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/atomicfile"
)

// leaveOut is told of a file that is not seeded.
type leaveOut func(path, reason string)

// seedKind is one kind of built-in configuration: what of its folder is seeded,
// and in which units.
type seedKind struct {
	name string
	// items lists the units, relative to the built-in folder.
	items func(folder string, skip leaveOut) ([]string, error)
	// put copies one unit to its place.
	put func(source, target string, exists bool, skip leaveOut) error
}

func seedKinds() []seedKind {
	return []seedKind{
		{"agents", flatJSON, putFile},
		{"workflows", nestedJSON, putFile},
		{"integrations", folders, putFolder},
		{"providers", flatJSON, putFile},
		{"branding", everyFile, putFile},
		{"retention", flatJSON, putFile},
	}
}

// unfinished is the prefix of folders that are still being copied.
const unfinished = ".seeding-"

func flatJSON(folder string, skip leaveOut) ([]string, error) {
	entries, err := os.ReadDir(folder)
	var items []string
	for _, entry := range entries {
		if !entry.IsDir() && isSeedJSON(filepath.Join(folder, entry.Name()), skip) {
			items = append(items, entry.Name())
		}
	}
	return items, err
}

func nestedJSON(folder string, skip leaveOut) ([]string, error) {
	return walk(folder, func(path string) bool { return isSeedJSON(path, skip) })
}

func everyFile(folder string, skip leaveOut) ([]string, error) {
	return walk(folder, func(path string) bool { return !isSecret(path) && isCopied(path, skip) })
}

// isSecret reports whether a file holds encrypted secrets, which belong to one
// deployment.
func isSecret(path string) bool { return strings.HasSuffix(path, ".secrets.json") }

func isSeedJSON(path string, skip leaveOut) bool {
	if !strings.HasSuffix(path, ".json") || isSecret(path) || !isCopied(path, skip) {
		return false
	}
	if isTorn(path) {
		skip(path, "is empty")
		return false
	}
	return true
}

// isCopied reports whether a file is one of the application's: macOS and editors
// leave hidden ones beside them, and a pipe would be read for ever.
func isCopied(path string, skip leaveOut) bool {
	info, err := os.Stat(path) // links are followed: mounted configuration consists of them
	switch {
	case strings.HasPrefix(filepath.Base(path), "."):
		skip(path, "is hidden")
	case err != nil:
		skip(path, "cannot be read: "+err.Error())
	case !info.Mode().IsRegular():
		skip(path, "is not a regular file")
	default:
		return true
	}
	return false
}

// isTorn reports whether a file holds nothing, as a power cut leaves it.
func isTorn(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	content, err := os.ReadFile(path)
	return err == nil && len(bytes.Trim(content, "\x00")) == 0
}

// walk lists the files below a folder that are wanted, relative to it. Hidden
// folders are not looked into.
func walk(folder string, wanted func(path string) bool) ([]string, error) {
	var items []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != folder && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case entry.IsDir() || !wanted(path):
			return nil
		}
		item, err := filepath.Rel(folder, path)
		items = append(items, item)
		return err
	})
	return items, err
}

func folders(folder string, _ leaveOut) ([]string, error) {
	entries, err := os.ReadDir(folder)
	var items []string
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			items = append(items, entry.Name())
		}
	}
	return items, err
}

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

// syncFileSystem waits until everything on a folder's file system is on the disk.
func syncFileSystem(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(folder.Fd())), folder.Close())
}

// putFolder copies a folder as a whole: under another name first, so that a
// copy that was killed half-way is never taken for the real thing. Into a
// folder that exists its files are put one by one, and the user's own stay.
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

// removeUnfinished removes what a seed that was killed left behind.
func removeUnfinished(folder string) error {
	leftovers, err := filepath.Glob(filepath.Join(folder, unfinished+"*"))
	for _, leftover := range leftovers {
		if removeErr := os.RemoveAll(leftover); removeErr != nil {
			return removeErr
		}
	}
	return err
}
