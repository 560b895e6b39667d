package privilege

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// progressPause is how often a big volume is reported on.
const progressPause = 5 * time.Second

// owners gives the content of folders to one user. It looks at every entry and
// changes only what is wrong, and it never acts outside of the folders.
type owners struct {
	log              *slog.Logger
	uid, gid         int
	progress         time.Duration // between two lines about a big volume
	checked, changed atomic.Int64
}

func newOwners(log *slog.Logger, uid, gid int) *owners {
	return &owners{log: log, uid: uid, gid: gid, progress: progressPause}
}

// fix works through the folders. Nothing is logged for folders that are right.
func (o *owners) fix(ctx context.Context, folders []string) error {
	began := time.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go o.reportProgress(ctx)
	for _, folder := range folders {
		if err := o.fixTree(ctx, folder); err != nil {
			return err
		}
	}
	if changed := o.changed.Load(); changed > 0 {
		o.log.Info("owners of data folders corrected", "uid", o.uid, "gid", o.gid,
			"changed", changed, "checked", o.checked.Load(), "took", time.Since(began))
	}
	return nil
}

// fixFolder gives one folder its owner, without its content.
func (o *owners) fixFolder(folder string) error {
	handle, err := openFolder(folder)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }()
	var st syscall.Stat_t
	err = syscall.Fstat(int(handle.Fd()), &st)
	if err == nil && o.wrong(st.Uid, st.Gid) && !everybodyWrites(&st) {
		err = unix.Fchownat(int(handle.Fd()), "", o.uid, o.gid, unix.AT_EMPTY_PATH)
	}
	if err != nil {
		return o.explain("change the owner of", folder, err)
	}
	return nil
}

func everybodyWrites(st *syscall.Stat_t) bool { return st.Mode&0o002 != 0 }

func (o *owners) reportProgress(ctx context.Context) {
	ticker := time.NewTicker(o.progress)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			o.log.Info("still checking the owners of data folders", "checked", o.checked.Load(), "changed", o.changed.Load())
		case <-ctx.Done():
			return
		}
	}
}

func (o *owners) fixTree(ctx context.Context, folder string) error {
	handle, err := openFolder(folder)
	if err != nil {
		return err
	}
	defer func() { _ = handle.Close() }()
	opened := fmt.Sprintf("/proc/self/fd/%d", handle.Fd())
	root, err := os.OpenRoot(opened)
	if err != nil {
		info, _ := os.Stat(opened)
		return o.closed(folder, info, err)
	}
	defer func() { _ = root.Close() }()
	walk := &ownerWalk{owners: o, name: folder, root: root}
	if err := walk.run(ctx); err != nil {
		return err
	}
	return walk.changeFolders()
}

// closed deals with a folder that cannot be opened. When it has the right owner
// and is open to that owner only, root without CAP_DAC_OVERRIDE cannot look, and
// need not: the user who made it private also made its content.
func (o *owners) closed(folder string, info fs.FileInfo, err error) error {
	if errors.Is(err, unix.EACCES) && info != nil && !o.wrong(stat(info).Uid, stat(info).Gid) {
		o.log.Info("owners below a private folder are not checked: CAP_DAC_OVERRIDE is missing", "folder", folder)
		return nil
	}
	return o.explain("look into", folder, err)
}

// wrong reports whether an entry must change its owner.
func (o *owners) wrong(uid, gid uint32) bool { return int(uid) != o.uid || int(gid) != o.gid }

func stat(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// explain returns what failed on what, and which capability would help.
func (o *owners) explain(what, path string, err error) error {
	can, capErr := effectiveCapabilities()
	wanted := map[string]capability{"change the owner of": capChown, "look into": capDACOverride}[what]
	advice := err.Error()
	if path := new(fs.PathError); errors.As(err, &path) {
		advice = path.Err.Error()
	}
	switch {
	case !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES):
	case capErr == nil && can.missing(wanted) != nil:
		advice = adviseCapabilities(can.missing(wanted), fmt.Sprintf("give the folder to that user by hand (chown -R %d:%d)", o.uid, o.gid))
	default:
		advice += " (does the file system, such as NFS with root_squash, refuse it?)"
	}
	return fmt.Errorf("cannot %s %s for uid %d gid %d: %s", what, path, o.uid, o.gid, advice)
}

// changeFolders changes the owners of folders, the deepest first and only after
// their content: root without CAP_DAC_OVERRIDE may not enter a folder any more
// once it is another user's. An interrupted run also leaves the top wrong, and
// so the next one sees it.
func (w *ownerWalk) changeFolders() error {
	slices.SortFunc(w.wrongFolders, func(a, b string) int { return depth(b) - depth(a) })
	for _, folder := range w.wrongFolders {
		if err := w.root.Lchown(folder, w.owners.uid, w.owners.gid); err != nil {
			if err := w.passing(err, "change the owner of", folder, ""); err != nil {
				return err
			}
			continue
		}
		w.owners.changed.Add(1)
	}
	return nil
}

func depth(folder string) int {
	if folder == "." {
		return 0
	}
	return 1 + strings.Count(folder, "/")
}
