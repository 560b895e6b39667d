package demo

import (
	"fmt"
	"os"
	"path/filepath"
)

// folder is where a demo keeps everything: data, run folders, certificates, logs.
type folder struct {
	path      string
	throwAway bool
}

func openFolder(o Options) (*folder, error) {
	if o.Dir == "" {
		path, err := os.MkdirTemp("", "tale-demo-")
		if err != nil {
			return nil, fmt.Errorf("cannot make a folder for the demo: %w", err)
		}
		return &folder{path: path, throwAway: !o.Keep}, nil
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the folder of the demo: %w", err)
	}
	return &folder{path: o.Dir}, nil
}

// sub returns a folder below it, making it if needed.
func (f *folder) sub(names ...string) (string, error) {
	path := f.join(names...)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("cannot make a folder of the demo: %w", err)
	}
	return path, nil
}

func (f *folder) join(names ...string) string {
	return filepath.Join(append([]string{f.path}, names...)...)
}

func (f *folder) describe() string {
	if f.throwAway {
		return f.path + " (removed at the end; keep it with --keep, or name one with --dir)"
	}
	return f.path
}

// close removes a throw-away folder.
func (f *folder) close() error {
	if !f.throwAway {
		return nil
	}
	if err := os.RemoveAll(f.path); err != nil {
		return fmt.Errorf("cannot remove the folder of the demo: %w", err)
	}
	return nil
}
