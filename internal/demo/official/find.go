package official

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Real asks for any official backend instead of a certain file.
const Real = "real"

// program is the backend's name in archives and in the client's folders.
const program = "convex-local-backend"

// Finder looks for a backend. What it downloads stays in Cache.
type Finder struct {
	Home  string // the user's home, where the convex client keeps its downloads
	Cache string // the user's folder for caches
	// Progress is told how much has arrived, from the first answer on; total is
	// negative when the server does not say.
	Progress func(done, total int64)

	base    string // where releases are
	release release
	machine string        // GOOS/GOARCH
	silence time.Duration // a server that sends nothing for so long is given up
}

// New returns a finder of this machine's backend.
func New(home, cache string, progress func(done, total int64)) *Finder {
	return &Finder{Home: home, Cache: cache, Progress: progress, base: releases, release: pinned(), machine: runtime.GOOS + "/" + runtime.GOARCH, silence: 30 * time.Second}
}

// Backend is an executable and what it is.
type Backend struct{ Path, Name string }

// Find returns the backend that is wanted: a path, or Real.
func (f *Finder) Find(ctx context.Context, wanted string) (Backend, error) {
	if wanted != Real {
		path, err := filepath.Abs(wanted)
		if err == nil {
			err = executable(path)
		}
		if err != nil {
			return Backend{}, exit.Errorf(exit.Usage, "cannot use the backend: %w; name the file %s, or say BACKEND=%s", err, program, Real)
		}
		return Backend{path, filepath.Base(path)}, nil
	}
	own := filepath.Join(f.Cache, "tale-runtime", "convex-backend", f.release.tag, program)
	// What the client downloaded last may be newer than the pinned one.
	for _, path := range append(f.ofClient(), own) {
		if executable(path) == nil {
			return Backend{path, program + " " + filepath.Base(filepath.Dir(path))}, nil
		}
	}
	if err := f.download(ctx, own); err != nil {
		return Backend{}, err
	}
	return Backend{own, program + " " + f.release.tag}, nil
}

// ofClient returns the backends that the convex client has downloaded, the newest
// first: their folders are named precompiled-DATE-COMMIT
// (src/cli/lib/localDeployment/filePaths.ts in the npm package convex).
func (f *Finder) ofClient() []string {
	found, _ := filepath.Glob(filepath.Join(f.Home, ".cache", "convex", "binaries", "precompiled-*", program))
	slices.Sort(found)
	slices.Reverse(found)
	return found
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not an executable file", path)
	}
	return nil
}
