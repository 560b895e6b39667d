package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

// help does what the arguments of a helper ask for, with the volumes in folders of root.
func help(ctx context.Context, root string, args []string, say func(message)) error {
	switch {
	case len(args) == 4 && args[0] == copyVerb:
		report, err := copyInto(ctx, filepath.Join(root, fromFolder), filepath.Join(root, toFolder), Copy{From: args[1], To: args[2], Owner: Owner(args[3])}, func(p Progress) { say(message{Progress: &p}) })
		if err == nil {
			say(message{Report: &report})
		}
		return err
	case len(args) == 2 && args[0] == lookVerb:
		state, err := lookInto(ctx, filepath.Join(root, fromFolder), args[1])
		if err == nil {
			say(message{State: &state})
		}
		return err
	}
	return exit.Errorf(exit.Usage, "tale helper is for tale itself, not for %q", args)
}

func lookInto(ctx context.Context, folder, volume string) (State, error) {
	root, err := openRoot(folder, "")
	if err != nil {
		return State{}, err
	}
	defer root.release()
	mark, err := readMark(root.from, volume)
	if err != nil {
		return State{}, err
	}
	found := counting{ctx: ctx, live: true, mark: mark}
	if err := found.run(root); err != nil {
		return State{}, err
	}
	free, err := root.free(root.from, &unix.Statfs_t{})
	used := mark.whole() && found.asCopy != mark.Copy
	return State{Exists: true, Empty: found.empty, Mark: mark, Used: used, Legacy: found.legacy, Bytes: found.bytes, Files: found.files, Print: found.sum, Free: free}, err
}

// copyInto copies one folder's content into another, or goes on doing so.
func copyInto(ctx context.Context, from, to string, names Copy, say func(Progress)) (Report, error) {
	began := time.Now()
	root, err := openRoot(from, to)
	if err != nil {
		return Report{}, err
	}
	defer root.release()
	root.old = true
	if err := alone(root.to, names.To); err != nil {
		return Report{}, err
	}
	c := &copier{Copy: names, root: root, gauge: &gauge{}, report: &Report{Left: xattr.Left{}}}
	telling, told := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.gauge.tell(telling, say)
	}()
	err = c.all(ctx)
	told()
	<-ended
	c.report.Took = time.Since(began)
	return *c.report, err
}

// alone makes sure that no other process copies into the same folder; where a file system
// has no locks, tale asks the engine alone.
func alone(root *os.File, volume string) error {
	if err := unix.Flock(int(root.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return exit.Errorf(exit.Temporary, "cannot copy into the volume %s: another tale does; wait for it", volume)
	}
	return nil
}

// all finds out what is to be done, and does it.
func (c *copier) all(ctx context.Context) error {
	if unfinished, err := readMark(c.root.from, c.From); err != nil || unfinished != nil && !unfinished.whole() {
		if err == nil {
			err = exit.Errorf(exit.Config, "cannot copy the volume %s: it is itself an unfinished copy, of %s; run again what made it, to finish it first", c.From, unfinished.From)
		}
		return err
	}
	mark, err := readMark(c.root.to, c.To)
	if err != nil {
		return err
	}
	source, err := c.count(ctx, c.root.from, nil)
	if err != nil {
		return err
	}
	switch {
	case mark != nil && mark.From != c.From:
		return foreign(c.From, c.To, fmt.Sprintf("it is a copy of %s", mark.From))
	case mark.whole():
		if done, err := c.finished(ctx, mark, source); done || err != nil {
			return err
		}
	case mark == nil:
		if err := c.begin(ctx); err != nil {
			return err
		}
	default:
		c.report.Resumed, c.mark = true, mark
	}
	return c.bring(ctx, source)
}

// count counts one side.
func (c *copier) count(ctx context.Context, side *os.File, visit func(key, *unix.Stat_t)) (*counting, error) {
	found := &counting{ctx: ctx, mark: c.mark, gauge: c.gauge, visit: visit}
	c.gauge.enter(Counting, 0, 0)
	return found, found.run(&folder{from: side})
}

// begin marks an empty target.
func (c *copier) begin(ctx context.Context) error {
	there, err := c.count(ctx, c.root.to, nil)
	if err != nil {
		return err
	}
	if !there.empty {
		return foreign(c.From, c.To, fmt.Sprintf("it holds something else, %s of %s", english.Plural(int(there.files), "file", ""), humanize.Bytes(uint64(there.bytes))))
	}
	c.mark = newMark(c.From, c.To)
	return c.mark.write(c.root.to)
}

// finished reports whether a copy that was finished before can stay as it is. If its
// source has changed since, and it has not, it is made the unfinished copy that it is.
func (c *copier) finished(ctx context.Context, mark *Mark, source *counting) (bool, error) {
	if source.sum == mark.Source {
		c.report.Already = true
		c.report.Files, c.report.Folders, c.report.Links, c.report.Bytes = source.files, source.folders, source.links, source.bytes
		return true, c.dropJournal(mark)
	}
	c.mark = mark
	var records []record
	there, err := c.count(ctx, c.root.to, func(k key, s *unix.Stat_t) {
		records = append(records, record{Key: k, Copy: copyPrint(s)})
	})
	if err != nil {
		return false, err
	}
	if there.asCopy != mark.Copy {
		return false, foreign(c.From, c.To, fmt.Sprintf("it is a copy of %s, finished at %s, and both have been used since", c.From, mark.date(mark.Finished)))
	}
	c.report.Again = true
	c.mark = newMark(c.From, c.To)
	j, err := c.openJournal()
	if err != nil {
		return false, err
	}
	defer j.file.Close()
	if err := j.write(records); err != nil {
		return false, c.root.failed("write", c.mark.journal(), err)
	}
	return false, c.mark.write(c.root.to)
}

func (c *copier) openJournal() (*journal, error) {
	descriptor, err := unix.Openat(int(c.root.to.Fd()), c.mark.journal(), unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, c.root.failed("open", c.mark.journal(), err)
	}
	return readJournal(os.NewFile(uintptr(descriptor), c.mark.journal()))
}

// dropJournal removes the journal of a copy that is whole; the root gets its date back.
func (c *copier) dropJournal(mark *Mark) error {
	s, err := status(c.root.from, ".")
	if err != nil {
		return c.root.failed("look at", "", err)
	}
	err = unix.Unlinkat(int(c.root.to.Fd()), mark.journal(), 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err == nil {
		err = unix.UtimesNanoAt(int(c.root.to.Fd()), ".", []unix.Timespec{s.Atim, s.Mtim}, 0)
	}
	if err == nil {
		err = c.root.to.Sync()
	}
	return c.root.failed("remove", mark.journal(), err)
}

// bring copies, checks, and marks.
func (c *copier) bring(ctx context.Context, source *counting) error {
	var err error
	if c.journal, err = c.openJournal(); err != nil {
		return err
	}
	defer c.journal.file.Close()
	if c.report.Resumed {
		if err := c.sweep(&folder{key: c.root.key, to: c.root.to}); err != nil {
			return err
		}
	}
	if err := c.space(ctx, source); err != nil {
		return err
	}
	c.gauge.enter(Copying, source.bytes, source.files)
	if err := c.run(ctx); err != nil {
		if ctx.Err() == nil {
			if atomicfile.IsFull(err) {
				err = exit.Errorf(exit.Code(err), "cannot copy the volume %s into %s, of %s: %w", c.From, c.To, humanize.Bytes(uint64(source.bytes)), err)
			}
			err = errors.Join(err, c.sweep(&folder{key: c.root.key, to: c.root.to})) // others need the room
		}
		return err
	}
	c.gauge.enter(Checking, 0, source.files)
	check := &checker{copier: c}
	if err := check.run(ctx); err != nil {
		return err
	}
	if check.source != source.sum {
		return changedError("something in it", "is not what it was when this began")
	}
	if err := unix.Syncfs(int(c.root.to.Fd())); err != nil {
		return c.root.failed("write to the disk", "", err)
	}
	c.mark.Finished = time.Now().UTC().Truncate(time.Second)
	c.mark.Files, c.mark.Bytes, c.mark.Source, c.mark.Copy = c.report.Files, c.report.Bytes, check.source, check.copy
	if err := c.mark.write(c.root.to); err != nil {
		return err
	}
	return c.dropJournal(c.mark)
}

// sweep removes what was on its way when a run ended.
func (c *copier) sweep(f *folder) error {
	return f.each(f.to, func(name string) error {
		if c.mark.owns(name) && name != c.mark.journal() {
			return f.failed("remove", name, unix.Unlinkat(int(f.to.Fd()), name, 0))
		}
		s, err := status(f.to, name)
		if err != nil || kind(s) != unix.S_IFDIR {
			return f.failed("look at the copy of", name, err)
		}
		child, err := f.open(name)
		if err != nil {
			return err
		}
		defer child.release()
		return c.sweep(child)
	})
}

// space refuses a copy that would not fit.
func (c *copier) space(ctx context.Context, source *counting) error {
	kept := &counting{ctx: ctx, journal: c.journal}
	if len(c.journal.records) > 0 {
		if err := kept.run(&folder{from: c.root.from}); err != nil {
			return err
		}
	}
	var disk unix.Statfs_t
	free, err := c.root.free(c.root.to, &disk)
	if err != nil {
		return err
	}
	need, files := (source.disk-kept.keptDisk)*11/10, uint64(source.files+source.folders-kept.kept)*11/10
	switch {
	case free >= 0 && free < need:
		anew := ""
		if kept.kept < int64(len(c.journal.records)) { // what has changed since takes the room of its old copy besides
			anew = fmt.Sprintf(", and so does `docker volume rm %s`: the copy in it is not finished, and its source has changed since", c.To)
		}
		return exit.Errorf(exit.Unavailable, "cannot copy the volume %s into %s: that takes some %s, and its disk has %s free; make room, `tale cleanup --dry-run` shows what it can%s", c.From, c.To, humanize.Bytes(uint64(need)), humanize.Bytes(uint64(free)), anew)
	case disk.Files > 0 && disk.Ffree < files:
		return exit.Errorf(exit.Unavailable, "cannot copy the volume %s into %s: it has %s, and the disk of the copy takes %d more; make room for more", c.From, c.To, english.Plural(int(source.files), "file", ""), disk.Ffree)
	}
	return nil
}

// free returns how many bytes an ordinary user may fill on the disk of a side, -1 where the
// disk does not say.
func (f *folder) free(side *os.File, disk *unix.Statfs_t) (int64, error) {
	if err := unix.Fstatfs(int(side.Fd()), disk); err != nil {
		return 0, f.failedAt(side, "measure the disk of", "", err)
	}
	if disk.Blocks == 0 {
		return -1, nil
	}
	return int64(disk.Bavail) * disk.Frsize, nil //nolint:unconvert // the types differ between platforms
}
