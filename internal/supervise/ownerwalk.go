package supervise

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// ownerWalk looks at one tree with several workers. Paths are relative to top.
type ownerWalk struct {
	owners *owners
	name   string
	top    int
	queue  *folderQueue

	mu           sync.Mutex
	wrongFolders []string
}

func (w *ownerWalk) run(ctx context.Context, workers int) error {
	group, ctx := errgroup.WithContext(ctx)
	var st unix.Stat_t
	if err := unix.Fstat(w.top, &st); err != nil {
		return w.owners.explain("look into", w.name, err)
	}
	w.checkFolder(".", &st)
	w.owners.checked.Add(1)
	for range workers {
		group.Go(func() error {
			for folder, ok := w.queue.next(); ok; folder, ok = w.queue.next() {
				err := w.folder(ctx, folder)
				w.queue.finished(err)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (w *ownerWalk) checkFolder(folder string, st *unix.Stat_t) {
	if !w.owners.wrong(st) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrongFolders = append(w.wrongFolders, folder)
}

// folder looks at the entries of one folder.
func (w *ownerWalk) folder(ctx context.Context, folder string) error {
	fd, err := openBelow(w.top, folder)
	if errors.Is(err, unix.ENOENT) {
		return nil // gone since it was listed
	}
	if err != nil {
		return w.owners.closed(w.top, folder, filepath.Join(w.name, folder), err)
	}
	dir := os.NewFile(uintptr(fd), folder)
	defer dir.Close()
	for ctx.Err() == nil {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if err := w.entry(fd, folder, name); err != nil {
				return err
			}
		}
		w.owners.checked.Add(int64(len(names)))
		if err == io.EOF || errors.Is(err, unix.ENOENT) { // the end, or gone meanwhile
			return nil
		}
		if err != nil {
			return w.owners.explain("look into", filepath.Join(w.name, folder), err)
		}
	}
	return context.Cause(ctx)
}

func (w *ownerWalk) entry(dir int, folder, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return w.passing(err, "look into", folder, name)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		path := filepath.Join(folder, name)
		w.checkFolder(path, &st)
		w.queue.add(path)
		return nil
	}
	if !w.owners.wrong(&st) {
		return nil
	}
	if err := unix.Fchownat(dir, name, w.owners.uid, w.owners.gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return w.passing(err, "change the owner of", folder, name)
	}
	w.owners.changed.Add(1)
	return nil
}

// passing explains an error, unless it is none: the entry has vanished
// meanwhile, or is below a read-only mount, where its owner is of no use.
func (w *ownerWalk) passing(err error, what, folder, name string) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return w.owners.explain(what, filepath.Join(w.name, folder, name), err)
}

// openBelow opens a folder below another without following symbolic links.
func openBelow(top int, path string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd := top
	for name := range strings.SplitSeq(path, "/") {
		next, err := unix.Openat(fd, name, flags, 0)
		if fd != top {
			_ = unix.Close(fd)
		}
		if err != nil {
			return 0, err
		}
		fd = next
	}
	return fd, nil
}

// folderQueue hands folders to workers until all are done or one has failed.
type folderQueue struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []string
	open    int // waiting or being worked on
	failed  bool
}

func newFolderQueue(first string) *folderQueue {
	q := &folderQueue{waiting: []string{first}, open: 1}
	q.changed = sync.NewCond(&q.mu)
	return q
}

func (q *folderQueue) add(folder string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, folder)
	q.open++
	q.changed.Signal()
}

func (q *folderQueue) next() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && q.open > 0 && !q.failed {
		q.changed.Wait()
	}
	if len(q.waiting) == 0 || q.failed {
		return "", false
	}
	last := len(q.waiting) - 1
	folder := q.waiting[last]
	q.waiting = q.waiting[:last]
	return folder, true
}

func (q *folderQueue) finished(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open--
	q.failed = q.failed || err != nil
	if q.open == 0 || q.failed {
		q.changed.Broadcast()
	}
}
