package privilege

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// ownerWorkers is how many folders are looked at side by side. There are more
// than processors: on a volume that the kernel has not cached, each waits for
// the disk.
const ownerWorkers = 8

// ownerWalk looks at one tree with several workers. Paths are relative to top.
type ownerWalk struct {
	owners *owners
	name   string
	top    int
	queue  *folderQueue

	mu           sync.Mutex
	wrongFolders []string
}

func (w *ownerWalk) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	var st unix.Stat_t
	if err := unix.Fstat(w.top, &st); err != nil {
		return w.owners.explain("look into", w.name, err)
	}
	w.checkFolder(".", &st)
	w.owners.checked.Add(1)
	for range ownerWorkers {
		group.Go(func() error {
			var list listing
			for folder, ok := w.queue.next(); ok; folder, ok = w.queue.next() {
				err := w.folder(ctx, folder, &list)
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
func (w *ownerWalk) folder(ctx context.Context, folder string, list *listing) error {
	fd, err := openBelow(w.top, folder)
	if gone(err) {
		return nil
	}
	if err != nil {
		return w.owners.closed(w.top, folder, filepath.Join(w.name, folder), err)
	}
	defer func() { _ = unix.Close(fd) }()
	for ctx.Err() == nil {
		names, err := list.next(fd)
		for _, name := range names {
			if err := w.entry(fd, folder, name); err != nil {
				return err
			}
		}
		w.owners.checked.Add(int64(len(names)))
		if errors.Is(err, io.EOF) || gone(err) {
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
	if err := uninterrupted(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
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
	if gone(err) || errors.Is(err, unix.EROFS) {
		return nil
	}
	return w.owners.explain(what, filepath.Join(w.name, folder, name), err)
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
