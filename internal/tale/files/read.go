package files

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

const (
	// data is the folder of convex-data in its container.
	data = "/app/data"
	// recordName is the file there that says what was delivered.
	recordName = ".tale-delivered.json"
	// mostFile is the largest file that is delivered: configuration and pictures.
	mostFile = 16 << 20
)

// read returns the files of a project's folders. What begins with a dot, as editors and
// other systems leave behind, is not among them; nor are links and devices.
func read(dir string) (map[string]file, error) {
	found := map[string]file{}
	for _, folder := range project.Folders() {
		root := filepath.Join(dir, folder)
		err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && name == root:
				return nil
			case err != nil:
				return err
			case strings.HasPrefix(entry.Name(), "."):
				if entry.IsDir() {
					return fs.SkipDir
				}
				return nil
			case !entry.Type().IsRegular():
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			if info.Size() > mostFile {
				return fmt.Errorf("%s has %d bytes, more than %d", name, info.Size(), mostFile)
			}
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			relative, err := filepath.Rel(dir, name)
			found[filepath.ToSlash(relative)] = newFile(content, int64(info.Mode().Perm()))
			return err
		})
		if err != nil {
			return nil, exit.Errorf(exit.Config, "cannot read the project's files: %w", err)
		}
	}
	return found, nil
}

// readStack adds what the stack has of a folder.
func (p *Plan) readStack(ctx context.Context, e *engine.Engine, folder string, into map[string]file) error {
	found, err := e.ReadTree(ctx, p.container, path.Join(data, folder), func(name string, header *tar.Header, content io.Reader) error {
		name = path.Join(folder, name)
		switch {
		case header.Typeflag == tar.TypeDir:
			p.folders[name] = true
			return nil
		case header.Typeflag != tar.TypeReg || header.Size > mostFile:
			into[name] = file{content: []byte{}, foreign: true}
			return nil
		}
		text, err := io.ReadAll(content)
		into[name] = newFile(text, header.Mode)
		return err
	})
	p.folders[folder] = p.folders[folder] || found
	return err
}

// record is what was delivered, by path.
type record struct {
	Files   map[string]string `json:"files"`             // SHA-256
	Pending map[string]string `json:"pending,omitempty"` // the same of what is being delivered
}

// readRecord reads it. One that is not there or cannot be read knows of no file, so that
// nothing that differs is replaced.
func readRecord(ctx context.Context, e *engine.Engine, container string) (record, error) {
	r := record{}
	content, err := e.ReadFile(ctx, container, path.Join(data, recordName))
	switch {
	case engine.IsNotFound(err):
		if _, err := e.Inspect(ctx, container); err != nil {
			return r, err
		}
	case err != nil:
		return r, err
	case json.Unmarshal(content, &r) != nil:
		r = record{}
	}
	if r.Files == nil {
		r.Files = map[string]string{}
	}
	return r, nil
}
