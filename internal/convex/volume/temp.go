package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// tempAge is how long nothing below an entry of the temporary folder must have
// changed for it to be swept. The sweep runs while no backend does, so that
// everything in there is a leftover; the age protects what somebody else has
// just put there.
const tempAge = 10 * time.Minute

// SweepResult counts what a sweep removed and left.
type SweepResult struct{ Removed, Kept int }

// SweepTemp removes what earlier backends left in their folder for temporary
// files: entries that are entirely ours and old. It never follows a link.
func SweepTemp(folder string, now time.Time) (SweepResult, error) {
	var result SweepResult
	entries, err := os.ReadDir(folder)
	if err != nil {
		return result, fmt.Errorf("cannot sweep the folder for temporary files: %w", err)
	}
	var failed error
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		if !isLeftover(path, now.Add(-tempAge)) {
			result.Kept++
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		result.Removed++
	}
	return result, failed
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
