package seed

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// leaveOut notes a file that is not seeded.
type leaveOut func(path, reason string)

// kind is one kind of built-in configuration: what of its folder is seeded, and in
// which units.
type kind struct {
	name string
	// items lists the units, relative to the built-in folder.
	items func(folder string, skip leaveOut) ([]string, error)
	// put copies one unit to its place.
	put func(source, target string, exists bool, skip leaveOut) error
}

func kinds() []kind {
	return []kind{
		{"agents", flatJSON, putFile},
		{"workflows", nestedJSON, putFile},
		{"integrations", folders, putFolder},
		{"providers", flatJSON, putFile},
		{"branding", everyFile, putFile},
		{"retention", flatJSON, putFile},
	}
}

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

// walk returns the wanted files below a folder, relative to it. Hidden folders are
// left out.
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
