package demo

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// notSources are the folders of an app that its tools write.
var notSources = map[string]bool{"node_modules": true, "dist": true}

// digest returns a fingerprint of the contents of files and folders below root.
// Hidden files count only when they are named; what is missing counts as such.
func digest(root string, inputs ...string) (string, error) {
	sum := sha256.New()
	for _, input := range inputs {
		err := filepath.WalkDir(filepath.Join(root, input), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case err != nil:
				return err
			case path == filepath.Join(root, input) && entry.IsDir():
				return nil
			case entry.IsDir() && (notSources[entry.Name()] || strings.HasPrefix(entry.Name(), ".")):
				return fs.SkipDir
			case !entry.Type().IsRegular() || path != filepath.Join(root, input) && strings.HasPrefix(entry.Name(), "."):
				return nil
			}
			return addFile(sum, path)
		})
		if err != nil {
			return "", fmt.Errorf("cannot read the sources of the app: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func addFile(sum io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	content := sha256.New()
	if _, err := io.Copy(content, file); err != nil {
		return err
	}
	_, err = fmt.Fprintf(sum, "%s\x00%x\n", path, content.Sum(nil))
	return err
}

// stamp is a file that holds the digest of the inputs of the last run that
// worked.
type stamp string

func (s stamp) matches(digest string) bool {
	content, err := os.ReadFile(string(s))
	return err == nil && string(content) == digest
}

func (s stamp) write(digest string) error {
	if err := os.MkdirAll(filepath.Dir(string(s)), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteVolatile(string(s), []byte(digest), 0o644)
}
