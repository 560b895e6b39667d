package privilege

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// progressPause is how often a big volume is reported on.
const progressPause = 5 * time.Second

// owners gives the content of folders to one user. It looks at every entry and
// changes only what is wrong, and it never follows a symbolic link: each
// folder is opened step by step from the top one.
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
	var st unix.Stat_t
	err := unix.Stat(folder, &st)
	if err == nil && o.wrong(&st) && !everybodyWrites(&st) {
		err = unix.Chown(folder, o.uid, o.gid)
	}
	if err != nil {
		return o.explain("change the owner of", folder, err)
	}
	return nil
}

func everybodyWrites(st *unix.Stat_t) bool { return st.Mode&0o002 != 0 }

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
	top, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return o.closed(unix.AT_FDCWD, folder, folder, err)
	}
	defer func() { _ = unix.Close(top) }()
	walk := &ownerWalk{owners: o, name: folder, top: top, queue: newFolderQueue(".")}
	if err := walk.run(ctx); err != nil {
		return err
	}
	return walk.changeFolders()
}

// closed deals with a folder that cannot be opened. When it has the right owner
// and is open to that owner only, root without CAP_DAC_OVERRIDE cannot look,
// and need not: whoever made it private also made its content.
func (o *owners) closed(dir int, path, name string, err error) error {
	var st unix.Stat_t
	if errors.Is(err, unix.EACCES) && unix.Fstatat(dir, path, &st, 0) == nil && !o.wrong(&st) {
		o.log.Info("owners below a private folder are not checked: CAP_DAC_OVERRIDE is missing", "folder", name)
		return nil
	}
	return o.explain("look into", name, err)
}

// wrong reports whether an entry must change its owner.
func (o *owners) wrong(st *unix.Stat_t) bool { return int(st.Uid) != o.uid || int(st.Gid) != o.gid }

// explain says what failed on what, and which capability would help.
func (o *owners) explain(what, path string, err error) error {
	can, capErr := effectiveCapabilities()
	wanted := map[string]capability{"change the owner of": capChown, "look into": capDACOverride}[what]
	advice := err.Error()
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
// once it is somebody else's. An interrupted run also leaves the top wrong, and
// so the next one sees it.
func (w *ownerWalk) changeFolders() error {
	slices.SortFunc(w.wrongFolders, func(a, b string) int { return depth(b) - depth(a) })
	for _, folder := range w.wrongFolders {
		if err := w.changeFolder(folder); err != nil && !errors.Is(err, unix.EROFS) {
			return w.owners.explain("change the owner of", filepath.Join(w.name, folder), err)
		}
	}
	return nil
}

func depth(folder string) int {
	if folder == "." {
		return 0
	}
	return 1 + strings.Count(folder, "/")
}

func (w *ownerWalk) changeFolder(folder string) error {
	fd, err := openBelow(w.top, folder)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Fchown(fd, w.owners.uid, w.owners.gid); err != nil {
		return err
	}
	w.owners.changed.Add(1)
	return nil
}
