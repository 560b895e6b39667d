package seed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Settings say what a volume is filled with.
type Settings struct {
	BuiltinDir string `env:"CONVEX_BUILTIN_DIR" tier:"advanced" envDefault:"/app" doc:"Folder that holds agents-builtin, workflows-builtin, integrations-builtin, providers-builtin, branding-builtin and retention-builtin."`
	stack.Release
	Force bool `env:"FORCE_SEED" doc:"Seed again, over files that are there already."`
}

// VolumeVersion returns the version that a volume remembers.
func (s Settings) VolumeVersion() string { return cmp.Or(s.Version, "dev") }

// Result counts what seeding did with the built-in files and folders.
type Result struct {
	Added       int
	Overwritten int    // existed, and FORCE_SEED was set
	Kept        int    // existed
	Deleted     int    // by the user, whose history of them exists
	Skipped     string // why nothing was seeded; "" otherwise
}

func (r Result) String() string {
	if r.Skipped != "" {
		return r.Skipped
	}
	return fmt.Sprintf("%d added, %d overwritten, %d kept, %d left to the user", r.Added, r.Overwritten, r.Kept, r.Deleted)
}

// seeder copies the built-in configuration into the data folder.
type seeder struct {
	log      *slog.Logger
	settings Settings
	dataDir  string
	result   Result
	leftOut  []string // files, each with the reason
}

func (s *seeder) leaveOut(path, reason string) {
	s.leftOut = append(s.leftOut, path+" "+reason)
}

// Run fills the data folder from the built-in folders, once per version. A file
// that exists is never overwritten unless FORCE_SEED asks for it. Each file, and
// each integration's folder, appears as a whole or not at all, and the version is
// marked as seeded only after all of them have: the next seed finishes one that
// was killed half-way.
func Run(ctx context.Context, log *slog.Logger, settings Settings, dataDir string) (Result, error) {
	s := &seeder{log: log, settings: settings, dataDir: dataDir}
	marker := filepath.Join(dataDir, ".seeded-"+strings.ReplaceAll(settings.VolumeVersion(), "/", "_"))
	if _, err := os.Stat(marker); err == nil && !settings.Force {
		return Result{Skipped: "version " + settings.VolumeVersion() + " has been seeded before"}, nil
	}
	if info, err := os.Stat(settings.BuiltinDir); err == nil && !info.IsDir() {
		return Result{}, report.New(exit.Config, "cannot seed: CONVEX_BUILTIN_DIR names "+settings.BuiltinDir+", which is no folder",
			"the built-in configuration is looked for in its folders agents-builtin, workflows-builtin and so on",
			"take CONVEX_BUILTIN_DIR out of "+place.Here().Settings()+" (the image knows its own), or name a folder, then: "+place.Here().Start("convex")).Err(nil)
	}
	found := false
	for _, kind := range kinds() {
		if err := os.MkdirAll(s.target(kind), 0o755); err != nil {
			return s.result, fmt.Errorf("cannot seed %s: %w", kind.name, err)
		}
		present, err := s.seedKind(ctx, kind)
		if err != nil {
			return s.result, fmt.Errorf("cannot seed %s: %w", kind.name, err)
		}
		found = found || present
	}
	if len(s.leftOut) > 0 {
		s.log.Warn("files of the built-in configuration were left out", "count", len(s.leftOut), "files", logging.Few(s.leftOut))
		s.log.Debug("all of them", "files", s.leftOut)
	}
	if !found {
		return Result{Skipped: "nothing to seed: " + settings.BuiltinDir + " has no built-in configuration"}, nil
	}
	// The marker must not survive a power cut that one of the files does not.
	if err := syncFileSystem(dataDir); err != nil {
		return s.result, fmt.Errorf("cannot seed: %w", err)
	}
	return s.result, atomicfile.Write(marker, nil, 0o644)
}

func (s *seeder) source(kind kind) string {
	return filepath.Join(s.settings.BuiltinDir, kind.name+"-builtin")
}

func (s *seeder) target(kind kind) string { return filepath.Join(s.dataDir, kind.name) }

func (s *seeder) seedKind(ctx context.Context, kind kind) (present bool, err error) {
	items, err := kind.items(s.source(kind), s.leaveOut)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	if err := removeUnfinished(s.target(kind)); err != nil {
		return true, err
	}
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return true, err
		}
		if err := s.seedItem(kind, item); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (s *seeder) seedItem(kind kind, item string) error {
	target := filepath.Join(s.target(kind), item)
	_, err := os.Lstat(target)
	exists := err == nil
	log := s.log.With("kind", kind.name, "item", item)
	if exists && isTorn(target) {
		log.Warn("a file was empty or zeroed and is seeded again", "file", target)
		exists = false
	}
	switch {
	case exists && !s.settings.Force:
		s.result.Kept++
		log.Debug("kept")
		return nil
	case !exists && !s.settings.Force && hasHistory(s.target(kind), item):
		s.result.Deleted++
		log.Debug("left out: the user has deleted it, as its history shows")
		return nil
	case exists:
		s.result.Overwritten++
	default:
		s.result.Added++
	}
	log.Debug("seeded", "overwritten", exists)
	return kind.put(filepath.Join(s.source(kind), item), target, exists, s.leaveOut)
}

// hasHistory reports whether the user has edited the item: each edit leaves a copy
// in .history/SLUG, nested slugs joined with two underscores.
func hasHistory(folder, item string) bool {
	slug := strings.ReplaceAll(strings.TrimSuffix(item, ".json"), string(filepath.Separator), "__")
	entries, err := os.ReadDir(filepath.Join(folder, ".history", slug))
	return err == nil && len(entries) > 0
}
