package privilege

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// ownerWorkers is how many folders are looked at side by side. There are more
	// than processors: on a volume that the kernel has not cached, each waits for
	// the disk.
	ownerWorkers = 8
	// batch is how many entries of a folder are in memory at a time.
	batch = 512
)

// ownerWalk looks at one tree with several workers. Paths are relative to root,
// which no link leads out of.
type ownerWalk struct {
	owners *owners
	root   *os.Root
	name   string
	group  *errgroup.Group

	mu           sync.Mutex
	wrongFolders []string
}

func (w *ownerWalk) run(ctx context.Context) error {
	top, err := w.root.Lstat(".")
	if err != nil {
		return w.owners.explain("look into", w.name, err)
	}
	w.checkFolder(".", stat(top).Uid, stat(top).Gid)
	w.owners.checked.Add(1)
	w.group, ctx = errgroup.WithContext(ctx)
	w.group.SetLimit(ownerWorkers)
	w.group.Go(func() error { return w.tree(ctx, ".") })
	return w.group.Wait()
}

// tree looks at a folder and what is below, with the help of idle workers.
func (w *ownerWalk) tree(ctx context.Context, folder string) error {
	below, err := w.folder(ctx, folder)
	for _, next := range below {
		if err != nil {
			break
		}
		if !w.group.TryGo(func() error { return w.tree(ctx, next) }) {
			err = w.tree(ctx, next)
		}
	}
	return err
}

func (w *ownerWalk) checkFolder(folder string, uid, gid uint32) {
	if !w.owners.wrong(uid, gid) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrongFolders = append(w.wrongFolders, folder)
}

// folder looks at the entries of one folder and returns the folders among them.
func (w *ownerWalk) folder(ctx context.Context, folder string) (below []string, err error) {
	dir, err := w.root.OpenFile(folder, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		if gone(err) {
			return nil, nil
		}
		info, _ := w.root.Lstat(folder)
		return nil, w.owners.closed(filepath.Join(w.name, folder), info, err)
	}
	defer func() { _ = dir.Close() }()
	for ctx.Err() == nil {
		names, err := dir.Readdirnames(batch)
		for _, name := range names {
			isFolder, err := w.entry(int(dir.Fd()), folder, name)
			if err != nil {
				return nil, err
			}
			if isFolder {
				below = append(below, filepath.Join(folder, name))
			}
		}
		w.owners.checked.Add(int64(len(names)))
		if errors.Is(err, io.EOF) || gone(err) {
			return below, nil
		}
		if err != nil {
			return nil, w.owners.explain("look into", filepath.Join(w.name, folder), err)
		}
	}
	return nil, context.Cause(ctx)
}

// entry looks at an entry of an open folder itself: what File.Readdir allocates
// for each doubles the time.
func (w *ownerWalk) entry(dir int, folder, name string) (isFolder bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, w.passing(err, "look into", folder, name)
	}
	if isFolder = st.Mode&unix.S_IFMT == unix.S_IFDIR; isFolder {
		w.checkFolder(filepath.Join(folder, name), st.Uid, st.Gid)
		return true, nil
	}
	if !w.owners.wrong(st.Uid, st.Gid) {
		return false, nil
	}
	if err := unix.Fchownat(dir, name, w.owners.uid, w.owners.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, w.passing(err, "change the owner of", folder, name)
	}
	w.owners.changed.Add(1)
	return false, nil
}

// passing explains an error, unless it is none: the entry has vanished
// meanwhile, or is below a read-only mount, where its owner is of no use.
func (w *ownerWalk) passing(err error, what, folder, name string) error {
	if gone(err) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return w.owners.explain(what, filepath.Join(w.name, folder, name), err)
}

// gone reports whether an entry has vanished, or is something else by now: also
// a link out of the root, which os.Root refuses without asking the kernel.
func gone(err error) bool {
	errno := unix.Errno(0)
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) ||
		err != nil && !errors.As(err, &errno)
}
