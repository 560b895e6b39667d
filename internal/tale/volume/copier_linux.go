package volume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// copier brings a copy to what its source is.
type copier struct {
	Copy
	root    *folder
	mark    *Mark
	journal *journal
	gauge   *gauge
	report  *Report

	next    *batch
	batches chan *batch
	stages  uint64
	links   map[inode]*linked
}

type inode struct{ device, number uint64 }

// linked is a file with several names.
type linked struct {
	at   location
	left uint64 // names that have not come yet
}

// foreign returns the error of a target into which something else has written.
func (c *copier) foreign(what string) error {
	return foreign(c.From, c.To, fmt.Sprintf("it is an unfinished copy of %s, but not only: %s", c.From, what))
}

// run copies what is missing. Going through the folders, copying, and reading back go on
// side by side, each with a batch of its own.
func (c *copier) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	c.batches, c.next, c.links = make(chan *batch), &batch{}, map[inode]*linked{}
	staged := make(chan *batch)
	group.Go(func() error {
		defer close(c.batches)
		if err := c.folder(ctx, c.root); err != nil {
			c.next.release()
			return err
		}
		return c.pass(ctx, c.batches, c.next)
	})
	group.Go(func() error {
		defer close(staged)
		for b := range c.batches {
			if err := parallel(ctx, b.items, c.stage); err != nil {
				b.release()
				return err
			}
			if err := c.pass(ctx, staged, b); err != nil {
				return err
			}
		}
		return nil
	})
	group.Go(func() error {
		for b := range staged {
			err := c.finish(ctx, b)
			b.release()
			if err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

func (c *copier) pass(ctx context.Context, to chan<- *batch, b *batch) error {
	select {
	case to <- b:
		return nil
	case <-ctx.Done():
		b.release()
		return context.Cause(ctx)
	}
}

// finish proves a batch, and names what is in it.
func (c *copier) finish(ctx context.Context, b *batch) error {
	if err := unix.Syncfs(int(c.root.to.Fd())); err != nil {
		return c.root.failed("write to the disk", "", err)
	}
	if err := parallel(ctx, b.items, c.reread); err != nil {
		return err
	}
	return c.place(b)
}

// folder makes what a folder of the source has, and takes away what it has not any more.
func (c *copier) folder(ctx context.Context, f *folder) error {
	err := f.each(f.from, func(name string) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.parent == nil {
			if none, err := nothing(f.from, name); none || err != nil {
				return err
			}
		}
		return c.entry(ctx, f, name)
	})
	if err != nil || !f.old {
		return err
	}
	return f.each(f.to, func(name string) error { return c.leftOver(f, name) })
}

func (c *copier) entry(ctx context.Context, f *folder, name string) error {
	s, err := f.source(name)
	if err != nil {
		return err
	}
	switch kind(s) {
	case unix.S_IFDIR:
		return c.subfolder(ctx, f, name)
	case unix.S_IFSOCK:
		c.report.Sockets = noted(c.report.Sockets, f.path(name))
		return nil
	case unix.S_IFREG, unix.S_IFLNK:
	default:
		c.report.Special = noted(c.report.Special, f.path(name))
	}
	i := &item{in: f, name: name, is: s, want: c.Owner.owned(s)}
	i.record = record{Key: f.key.of(name), Source: sourcePrint(s), Copy: copyPrint(i.want)}
	kept, err := c.keep(i)
	if err != nil {
		return err
	}
	first := c.first(i)
	if kept {
		return nil
	}
	i.in, i.first = f.hold(), first
	if first == nil {
		c.stages++
		i.staged = c.mark.staged(c.stages)
	}
	c.next.add(i)
	if !c.next.full(cmp.Or(c.batch, batchFiles)) {
		return nil
	}
	full := c.next
	c.next = &batch{}
	return c.pass(ctx, c.batches, full)
}

func noted(list []string, path string) []string {
	const longest = 100
	if len(list) >= longest {
		return list
	}
	return append(list, path)
}

// keep reports whether an entry is in the copy already, and right. What is there of an
// earlier run and is not any more what the source has is removed.
func (c *copier) keep(i *item) (bool, error) {
	if !i.in.old {
		return false, nil
	}
	there, err := status(i.in.to, i.name)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, i.in.failed("look at the copy of", i.name, err)
	}
	r, known := c.journal.find(i.record.Key)
	if known && r == i.record && r.Copy == copyPrint(there) {
		c.report.Kept++
		c.gauge.files.Add(1)
		c.gauge.half.Add(2 * room(i.is))
		return true, nil
	}
	return false, c.remove(i.in, i.name)
}

// first returns where a file is that has come under another name before.
func (c *copier) first(i *item) *location {
	if i.is.Nlink < 2 {
		return nil
	}
	id := inode{i.is.Dev, i.is.Ino} //nolint:unconvert // the types differ between platforms
	known := c.links[id]
	if known == nil {
		known = &linked{at: locate(i.in, i.name), left: uint64(i.is.Nlink)} //nolint:unconvert // as above
		c.links[id] = known
		known.left--
		return nil
	}
	if known.left--; known.left == 0 {
		delete(c.links, id)
	}
	return &known.at
}

func locate(f *folder, name string) location {
	at := location{name: name}
	for ; f.parent != nil; f = f.parent {
		at.folders = append(at.folders, f.name)
	}
	slices.Reverse(at.folders)
	return at
}

// subfolder makes a folder, which is its maker's alone until the copy is whole.
func (c *copier) subfolder(ctx context.Context, f *folder, name string) error {
	err := unix.Mkdirat(int(f.to.Fd()), name, 0o700)
	old := errors.Is(err, unix.EEXIST)
	if old {
		var there *unix.Stat_t
		if there, err = status(f.to, name); err == nil && kind(there) != unix.S_IFDIR {
			if err := c.remove(f, name); err != nil {
				return err
			}
			old, err = false, unix.Mkdirat(int(f.to.Fd()), name, 0o700)
		}
	}
	if err != nil {
		return f.failed("make the folder", name, err)
	}
	child, err := f.open(name)
	if err != nil {
		return err
	}
	defer child.release()
	child.old = old
	return c.folder(ctx, child)
}

// leftOver removes what an earlier run has left under a name that the source has not.
func (c *copier) leftOver(f *folder, name string) error {
	if c.mark.owns(name) {
		return nil // on its way now
	}
	if f.parent == nil {
		if none, err := nothing(f.to, name); none || err != nil {
			return err
		}
	}
	s, err := status(f.from, name)
	if err == nil && kind(s) != unix.S_IFSOCK {
		return nil
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return f.failed("look at", name, err)
	}
	return c.remove(f, name)
}

// remove removes what this package has put there, and nothing else.
func (c *copier) remove(f *folder, name string) error {
	s, err := status(f.to, name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return f.failed("look at the copy of", name, err)
	}
	if kind(s) != unix.S_IFDIR {
		k := f.key.of(name)
		r, known := c.journal.find(k)
		switch {
		case c.mark.owns(name) || known && r.Copy == copyPrint(s):
		case c.journal.new(k):
			return changedError(f.path(name), "has gone or been replaced")
		default:
			return c.foreign(f.path(name) + " has been written by something else")
		}
		return f.failed("remove the old copy of", name, unix.Unlinkat(int(f.to.Fd()), name, 0))
	}
	child, err := (&folder{parent: f.parent, name: f.name, key: f.key, to: f.to}).open(name)
	if err != nil {
		return err
	}
	defer child.release()
	if err := child.each(child.to, func(name string) error { return c.remove(child, name) }); err != nil {
		return err
	}
	return f.failed("remove the old copy of", name, unix.Unlinkat(int(f.to.Fd()), name, unix.AT_REMOVEDIR))
}
