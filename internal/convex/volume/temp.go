package volume

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// tempAge is how long an entry of the temporary folder must be unchanged, with all
// that is below it, before it is removed. No backend runs during a sweep, so every
// entry is a leftover; the age protects what another program has just written.
const tempAge = 10 * time.Minute

// SweepTemp removes what earlier backends left in their folder for temporary
// files: entries that are entirely ours and old. It never follows a link.
func SweepTemp(log *slog.Logger, folder string) {
	removed, kept, err := sweep(folder, time.Now())
	if err != nil {
		log.Warn("cannot remove old temporary files", "error", err)
	}
	if removed > 0 {
		log.Info("removed old temporary files", "removed", removed, "kept", kept)
	}
}

func sweep(folder string, now time.Time) (removed, kept int, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0, 0, err
	}
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if !isLeftover(path, now.Add(-tempAge)) {
			kept++
			continue
		}
		if failed := os.RemoveAll(path); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		removed++
	}
	return removed, kept, err
}

var errKeep = errors.New("keep")

func isLeftover(path string, before time.Time) bool {
	err := filepath.WalkDir(path, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(stat.Uid) != os.Geteuid() || info.ModTime().After(before) {
			return errKeep
		}
		return nil
	})
	return err == nil
}
