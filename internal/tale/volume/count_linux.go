package volume

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// count is what there is in one side.
type count struct {
	files, folders, links int64
	bytes                 int64
	disk                  int64 // that they take, in whole blocks
	sum                   sum   // of everything, whatever the order
	asCopy                sum   // the same, by copyPrint
	kept, keptDisk        int64 // what a journal says is copied already
	empty                 bool
	legacy                bool
}

// counting goes through one side, with or without a journal.
type counting struct {
	count
	ctx     context.Context
	live    bool                    // services run: what has gone again does not count
	mark    *Mark                   // nil: none, its files do not count
	gauge   *gauge                  // nil: nobody waits
	journal *journal                // nil: none
	visit   func(key, *unix.Stat_t) // nil: none
}

func (c *counting) run(root *folder) error {
	c.empty = true
	if err := c.folder(root); err != nil {
		return err
	}
	c.folders-- // the root is none of it
	return nil
}

func (c *counting) folder(f *folder) error {
	s, err := status(f.from, ".")
	if err != nil {
		return f.failedAt(f.from, "look at", "", err)
	}
	c.folders++
	c.add(f.key, s)
	return f.each(f.from, func(name string) error {
		if c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		if c.mark.owns(name) {
			return nil
		}
		if f.parent == nil {
			c.legacy = c.legacy || name == legacySentinel
			if none, err := nothing(f.from, name); none || err != nil {
				return err
			}
		}
		c.empty = false
		err := c.entry(f, name)
		if c.live && errors.Is(err, errChanges) {
			return nil
		}
		return err
	})
}

func (c *counting) entry(f *folder, name string) error {
	s, err := f.source(name)
	if err != nil {
		return err
	}
	switch kind(s) {
	case unix.S_IFSOCK:
		return nil
	case unix.S_IFDIR:
		child, err := f.open(name)
		if err != nil {
			return err
		}
		defer child.release()
		return c.folder(child)
	case unix.S_IFLNK:
		c.links++
	}
	c.files++
	c.bytes += room(s)
	c.disk += blocks(s)
	k := f.key.of(name)
	c.add(k, s)
	if c.visit != nil {
		c.visit(k, s)
	}
	if c.journal != nil {
		if r, found := c.journal.find(k); found && r.Source == sourcePrint(s) {
			c.kept++
			c.keptDisk += blocks(s)
		}
	}
	if c.gauge != nil {
		c.gauge.files.Add(1)
	}
	return nil
}

// add adds an entry to the sums.
func (c *counting) add(k key, s *unix.Stat_t) {
	c.sum += sourcePrint(s).at(k)
	c.asCopy += copyPrint(s).at(k)
}
