package volume

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// checker compares the copy with its source as a whole, and gives folders their owners,
// modes and dates, which what happens in them would change.
type checker struct {
	*copier
	links        map[inode]inode // of the source's files with several names: the copy's
	source, copy sum
}

func (c *checker) run(ctx context.Context) error {
	c.journal.sort()
	c.links = map[inode]inode{}
	return c.folder(ctx, c.root)
}

func (c *checker) folder(ctx context.Context, f *folder) error {
	before, err := status(f.from, ".")
	if err != nil {
		return f.failedAt(f.from, "look at", "", err)
	}
	names := 0
	err = f.each(f.from, func(name string) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.parent == nil {
			if none, err := nothing(f.from, name); none || err != nil {
				return err
			}
		}
		counted, err := c.entry(ctx, f, name)
		names += counted
		return err
	})
	if err != nil {
		return err
	}
	if err := c.surplus(f, names); err != nil {
		return err
	}
	if err := c.settle(f, before); err != nil {
		return err
	}
	after, err := status(f.from, ".")
	if err != nil {
		return f.failedAt(f.from, "look at", "", err)
	}
	if sourcePrint(before) != sourcePrint(after) {
		return changedError(f.path(""), "has been written")
	}
	c.source += sourcePrint(after).at(f.key)
	return nil
}

// settle makes a folder of the copy what it is in the source, and looks whether it is.
func (c *checker) settle(f *folder, is *unix.Stat_t) error {
	want := c.Owner.owned(is)
	extended, err := attributes(f.from, ".")
	if err != nil {
		return f.failedAt(f.from, "read the attributes of", "", err)
	}
	if err := give(f.to, ".", want, extended); err != nil {
		return f.failed("set the attributes of", "", err)
	}
	c.copy += copyPrint(want).at(f.key)
	return c.same(f, ".", want)
}

func (c *checker) same(f *folder, name string, want *unix.Stat_t) error {
	differs, err := difference(f, name, want, c.report.Left)
	if err == nil && differs != "" {
		return fmt.Errorf("cannot copy %s: the copy %s", f.path(name), differs)
	}
	return err
}

// entry returns how many names there are to be in the copy: one, or none for a socket.
func (c *checker) entry(ctx context.Context, f *folder, name string) (int, error) {
	s, err := f.source(name)
	if err != nil {
		return 0, err
	}
	switch kind(s) {
	case unix.S_IFSOCK:
		return 0, nil
	case unix.S_IFDIR:
		c.report.Folders++
		child, err := f.open(name)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return 0, changedError(f.path(name), "is new")
		}
		if err != nil {
			return 0, err
		}
		defer child.release()
		return 1, c.folder(ctx, child)
	case unix.S_IFLNK:
		c.report.Links++
	}
	c.report.Files++
	c.report.Bytes += room(s)
	c.gauge.files.Add(1)
	return 1, c.file(f, name, s)
}

func (c *checker) file(f *folder, name string, s *unix.Stat_t) error {
	k, is, want := f.key.of(name), sourcePrint(s), c.Owner.owned(s)
	r, known := c.journal.find(k)
	switch {
	case !known:
		return changedError(f.path(name), "is new")
	case r.Source != is:
		return changedError(f.path(name), "has been written")
	case r.Copy != copyPrint(want):
		return fmt.Errorf("cannot copy %s: the journal has it otherwise", f.path(name))
	}
	c.source += is.at(k)
	c.copy += r.Copy.at(k)
	if err := c.same(f, name, want); err != nil {
		return err
	}
	if s.Nlink < 2 {
		return nil
	}
	there, err := status(f.to, name)
	if err != nil {
		return f.failed("look at the copy of", name, err)
	}
	from, to := inode{s.Dev, s.Ino}, inode{there.Dev, there.Ino} //nolint:unconvert // the types differ between platforms
	if first, seen := c.links[from]; seen && first != to {
		return fmt.Errorf("cannot copy %s: in the copy it is not the same file under all its names", f.path(name))
	}
	c.links[from] = to
	return nil
}

// surplus returns an error if the copy's folder has more names than those that were found:
// what the source had when it was copied, which is removed, or what is not ours.
func (c *checker) surplus(f *folder, names int) error {
	err := f.each(f.to, func(name string) error {
		if c.mark.owns(name) {
			return nil
		}
		if f.parent == nil {
			if none, err := nothing(f.to, name); none || err != nil {
				return err
			}
		}
		names--
		return nil
	})
	if err != nil || names >= 0 {
		return err
	}
	if err := f.each(f.to, func(name string) error { return c.leftOver(f, name) }); err != nil {
		return err
	}
	return changedError(f.path(""), "has been written")
}
