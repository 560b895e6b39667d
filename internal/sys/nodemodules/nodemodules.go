// Package nodemodules finds what npm, bun or pnpm has installed for a folder, where
// Node.js would find it: beside the folder or above it, as in a workspace, and
// behind links.
package nodemodules

import (
	"os"
	"path/filepath"
	"strings"
)

// Folders returns the places where Node.js looks for packages that a program in
// dir asks for, the nearest first. They need not exist.
func Folders(dir string) []string {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	// Node.js starts from the real path of a program.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	var folders []string
	for ; ; dir = filepath.Dir(dir) {
		if filepath.Base(dir) != "node_modules" {
			folders = append(folders, filepath.Join(dir, "node_modules"))
		}
		if dir == filepath.Dir(dir) {
			return folders
		}
	}
}

// Find returns the first of the files, each relative to a node_modules folder, in
// the nearest folder that has one of them, or "".
func Find(dir string, files ...string) string {
	for _, folder := range Folders(dir) {
		for _, file := range files {
			path := filepath.Join(folder, file)
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				return path
			}
		}
	}
	return ""
}

// Path returns a PATH in which the commands of dir's packages come first, as they
// do for a script of its package.json.
func Path(dir, path string) string {
	var folders []string
	for _, folder := range Folders(dir) {
		folders = append(folders, filepath.Join(folder, ".bin"))
	}
	return strings.Join(append(folders, path), string(os.PathListSeparator))
}
