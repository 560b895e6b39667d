package seed

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

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
// leave hidden files beside them, and reading a pipe would never end.
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

// isTorn reports whether a file is empty or zeroed, as a power cut leaves it.
func isTorn(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	content, err := os.ReadFile(path)
	return err == nil && len(bytes.Trim(content, "\x00")) == 0
}
