package migration

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/tale-project/tale-runtime/internal/exit"
)

const (
	straysVerb = "strays" // FOLDER
	ownVerb    = "own"    // FOLDER

	// appUser is the user and the group of the images.
	appUser = 1001
)

// Helps reports whether Helper does what the arguments of `tale helper` ask for.
func Helps(args []string) bool {
	return len(args) == 2 && slices.Contains([]string{straysVerb, ownVerb}, args[0])
}

// Helper counts what in a folder is not the application user's, or makes it so. It may be
// killed and done again. The proxy may run, so that what goes away meanwhile is passed over.
func Helper(args []string, out io.Writer) error {
	if !Helps(args) {
		return exit.Errorf(exit.Usage, "tale helper is for tale itself, and %q are none of its words", args)
	}
	var strays int64
	if entries, err := os.ReadDir(args[1]); err == nil && len(entries) == 0 && args[0] == straysVerb {
		_, err = fmt.Fprintln(out, strays) // an engine gives an empty volume away as the image says
		return err
	}
	err := filepath.WalkDir(args[1], func(path string, entry fs.DirEntry, err error) error {
		gone := func(err error) error {
			if errors.Is(err, fs.ErrNotExist) && path != args[1] {
				return nil
			}
			return err
		}
		if err != nil {
			return gone(err)
		}
		info, err := entry.Info()
		if err != nil {
			return gone(err)
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid == appUser && owner.Gid == appUser {
			return nil
		}
		strays++
		if args[0] == ownVerb {
			return gone(os.Lchown(path, appUser, appUser))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot look for the owners in a volume: %w", err)
	}
	_, err = fmt.Fprintln(out, strays)
	return err
}
