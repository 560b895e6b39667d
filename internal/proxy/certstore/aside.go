package certstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

const (
	// asideName is the folder of what was moved aside, within the store.
	asideName = "damaged"
	// asideKept is how many times of moving are kept; each is a folder with a few
	// small files.
	asideKept = 8
	asideTime = "20060102T150405.000Z" // sorts by time
)

// moveAside takes files out of Caddy's way, for the reason that err gives. Those
// that are not there are left out. What cannot be moved, as on a full disk, is
// removed: everything that comes here can be made again.
func (h *healer) moveAside(err error, files ...string) error {
	to := filepath.Join(h.Root, asideName, h.now.UTC().Format(asideTime))
	h.log.Warn("part of the certificate store cannot be used and is made again", "reason", err.Error(), "moved_to", to)
	h.moved++
	for _, file := range files {
		if err := h.moveFile(file, to); err != nil {
			return report.Because(exit.Errorf(exit.Config, "cannot move a damaged file of the certificate store aside: %w", err),
				"it is in the way of a new one", "remove "+file)
		}
	}
	return nil
}

// usable moves files aside that err, from reading them, says are damaged.
func (h *healer) usable(err error, files ...string) error {
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case isDamage(err):
		return h.moveAside(err, files...)
	}
	return err
}

func (h *healer) moveFile(file, to string) error {
	if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	inside, err := filepath.Rel(h.Root, file)
	if err != nil {
		return err
	}
	target := filepath.Join(to, inside)
	if os.MkdirAll(filepath.Dir(target), 0o700) == nil && os.Rename(file, target) == nil {
		return nil
	}
	return os.RemoveAll(file)
}

// prune removes the oldest of what was moved aside.
func (h *healer) prune() error {
	folder := filepath.Join(h.Root, asideName)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a full disk: removed instead
	}
	if err != nil {
		return fmt.Errorf("cannot look after damaged files: %w", err)
	}
	for _, entry := range slices.Backward(entries[:max(0, len(entries)-asideKept)]) {
		err = errors.Join(err, os.RemoveAll(filepath.Join(folder, entry.Name())))
	}
	return err
}
