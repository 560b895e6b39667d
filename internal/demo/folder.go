package demo

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// folder is where a demo keeps everything: data, run folders, certificates, logs.
type folder struct {
	path      string
	throwAway bool
}

func openFolder(o options) (*folder, error) {
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

// keep writes a service's environment for commands that look at the service or
// start it again by hand (--env-file).
func (f *folder) keep(service string, environ config.Environ) error {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(environ)) {
		// As docker compose reads it, a dollar sign begins a reference.
		fmt.Fprintf(&text, "%s=%s\n", name, strings.ReplaceAll(strconv.Quote(environ[name]), "$", "$$"))
	}
	if err := atomicfile.WriteVolatile(f.environmentOf(service), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("cannot keep the environment of %s: %w", service, err)
	}
	return nil
}

func (f *folder) environmentOf(service string) string { return f.join(service + ".env") }

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
