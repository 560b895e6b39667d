package convex

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/atomicfile"
)

// seedKind is one kind of built-in configuration: what of its folder is seeded,
// and in which units.
type seedKind struct {
	name string
	// items lists the units, relative to the built-in folder.
	items func(folder string) ([]string, error)
	// put copies one unit to its place.
	put func(source, target string, exists bool) error
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

func flatJSON(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	var items []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && isSeedJSON(entry.Name()) {
			items = append(items, entry.Name())
		}
	}
	return items, err
}

func nestedJSON(folder string) ([]string, error) {
	items, err := everyFile(folder)
	return slices.DeleteFunc(items, func(item string) bool { return !isSeedJSON(item) }), err
}

// isSeedJSON leaves out encrypted secrets, which belong to one deployment.
func isSeedJSON(name string) bool {
	return strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".secrets.json")
}

func everyFile(folder string) ([]string, error) {
	var items []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, ".secrets.json") {
			return err
		}
		item, err := filepath.Rel(folder, path)
		items = append(items, item)
		return err
	})
	return items, err
}

func folders(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	var items []string
	for _, entry := range entries {
		if entry.IsDir() {
			items = append(items, entry.Name())
		}
	}
	return items, err
}

func putFile(source, target string, _ bool) error {
	data, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := atomicfile.Write(target, data, 0o644); err != nil {
		return err
	}
	return syncFile(target)
}

// syncFile waits until a file is on the disk. The marker of a version must not
// survive a power cut that the files before it do not.
func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// putFolder copies a folder as a whole: under another name first, so that a
// copy that was killed half-way is never taken for the real thing. Into a
// folder that exists its files are put one by one, and the user's own stay.
func putFolder(source, target string, exists bool) error {
	into := target
	if !exists {
		into = filepath.Join(filepath.Dir(target), unfinished+filepath.Base(target))
	}
	items, err := everyFile(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	for _, item := range items {
		if err := putFile(filepath.Join(source, item), filepath.Join(into, item), exists); err != nil {
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
