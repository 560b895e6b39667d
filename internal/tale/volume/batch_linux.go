package volume

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

const (
	// A batch is copied, brought onto the disk, read back and then given its names, as
	// one: it is what a kill costs at most, and what memory and open folders are for. A
	// smaller one waits for the disk more often.
	batchFiles   = 5000
	batchFolders = 1000
	batchBytes   = 128 << 20
)

// item is an entry that is to be copied.
type item struct {
	in       *folder // held
	name     string
	is, want *unix.Stat_t
	record   record
	staged   string // the name under which it is in the copy until it is right
	content  [sha256.Size]byte
	first    *location // of a later name of a file that has been copied under another
}

// location is where a file is in the copy; the folders on the way may be closed by now.
type location struct {
	folders []string
	name    string
}

type batch struct {
	items   []*item
	folders int
	bytes   int64
}

func (b *batch) add(i *item) {
	if len(b.items) == 0 || b.items[len(b.items)-1].in != i.in {
		b.folders++
	}
	b.items = append(b.items, i)
	if i.first == nil {
		b.bytes += room(i.is)
	}
}

func (b *batch) full(files int) bool {
	return len(b.items) >= files || b.folders >= batchFolders || b.bytes >= batchBytes
}

func (b *batch) release() {
	for _, i := range b.items {
		i.in.release()
	}
}

// parallel does something with each of some items, with a buffer that is its own.
func parallel(ctx context.Context, items []*item, do func(ctx context.Context, i *item, buffer []byte) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(2*runtime.GOMAXPROCS(0), len(items), 8) {
		group.Go(func() error {
			buffer := make([]byte, chunkSize)
			for {
				n := int(next.Add(1)) - 1
				if n >= len(items) {
					return nil
				}
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				if err := do(ctx, items[n], buffer); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// stage makes an item in its folder of the copy, under a name that nobody knows.
func (c *copier) stage(ctx context.Context, i *item, buffer []byte) error {
	if i.first != nil {
		return nil
	}
	if err := c.make(ctx, i, buffer); err != nil {
		return err
	}
	extended, err := attributes(i.in.from, i.name)
	if err != nil {
		return i.in.failedAt(i.in.from, "read the attributes of", i.name, err)
	}
	return i.in.failed("set the attributes of", i.name, give(i.in.to, i.staged, i.want, extended))
}

func (c *copier) make(ctx context.Context, i *item, buffer []byte) error {
	to := int(i.in.to.Fd())
	switch kind(i.is) {
	case unix.S_IFREG:
		return c.write(ctx, i, buffer)
	case unix.S_IFLNK:
		leads, err := readLink(i.in.from, i.name)
		if err != nil {
			return i.in.failedAt(i.in.from, "read the symbolic link", i.name, err)
		}
		return i.in.failed("make the symbolic link", i.name, unix.Symlinkat(string(leads), to, i.staged))
	}
	return i.in.failed("make the fifo or device node", i.name, unix.Mknodat(to, i.staged, i.is.Mode, int(i.is.Rdev))) //nolint:unconvert // the type differs between platforms
}

// write copies the content of a file, and its holes.
func (c *copier) write(ctx context.Context, i *item, buffer []byte) error {
	from, err := openIn(i.in.from, i.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOATIME|unix.O_CLOEXEC)
	if err != nil {
		return i.in.failedAt(i.in.from, "open", i.name, err)
	}
	defer from.Close()
	descriptor, err := unix.Openat(int(i.in.to.Fd()), i.staged, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return i.in.failed("make", i.name, err)
	}
	to := os.NewFile(uintptr(descriptor), i.name)
	hash := newContent()
	var writing error
	err = read(ctx, from, i.is, buffer, func(at int64, chunk []byte) error {
		hash.add(at, chunk)
		_, writing = to.WriteAt(chunk, at)
		c.gauge.half.Add(int64(len(chunk)))
		return writing
	})
	if err == nil {
		writing = to.Truncate(i.is.Size) // what ends with a hole
	}
	if closing := to.Close(); writing == nil {
		writing = closing
	}
	i.content = hash.sum()
	switch {
	case writing != nil:
		return i.in.failed("write", i.name, writing)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return c.unchanged(i, from, err)
}

// unchanged returns an error if a file is not any more what it was before it was read.
func (c *copier) unchanged(i *item, from *os.File, reading error) error {
	var now unix.Stat_t
	if err := unix.Fstat(int(from.Fd()), &now); err != nil {
		return i.in.failed("look at", i.name, err)
	}
	if sourcePrint(&now) != i.record.Source {
		return changedError(i.in.path(i.name), "has been written")
	}
	return i.in.failed("read", i.name, reading)
}

// reread compares what is on the disk of the copy with what was read from the source.
func (c *copier) reread(ctx context.Context, i *item, buffer []byte) error {
	if i.first != nil || kind(i.is) != unix.S_IFREG {
		return nil
	}
	file, err := openIn(i.in.to, i.staged, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NOATIME|unix.O_CLOEXEC)
	if err != nil {
		return i.in.failed("read back", i.name, err)
	}
	defer file.Close()
	// It has been written to the disk, so that the kernel can forget it.
	_ = unix.Fadvise(int(file.Fd()), 0, 0, unix.FADV_DONTNEED)
	var s unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &s); err != nil {
		return i.in.failed("read back", i.name, err)
	}
	hash := newContent()
	err = read(ctx, file, &s, buffer, func(at int64, chunk []byte) error {
		hash.add(at, chunk)
		c.gauge.half.Add(int64(len(chunk)))
		return nil
	})
	if err != nil {
		return i.in.failed("read back", i.name, err)
	}
	if s.Size != i.is.Size || hash.sum() != i.content {
		return i.in.failed("copy", i.name, errors.New("what the disk gives back is not what was written to it; look at `dmesg`, and do not trust this disk"))
	}
	return nil
}

// place gives the items of a batch their names, those of further links last, for which
// the first must be there.
func (c *copier) place(b *batch) error {
	records := make([]record, len(b.items))
	for n, i := range b.items {
		records[n] = i.record
	}
	if err := c.journal.write(records); err != nil {
		return (&folder{}).failed("write", "the journal of the copy", err)
	}
	for _, i := range b.items {
		if i.first != nil {
			continue
		}
		to := int(i.in.to.Fd())
		err := unix.Renameat2(to, i.staged, to, i.name, unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
			err = unix.Renameat(to, i.staged, to, i.name)
		}
		if errors.Is(err, unix.EEXIST) {
			return c.foreign(i.in.path(i.name) + " has appeared in it")
		}
		if err != nil {
			return i.in.failed("name", i.name, err)
		}
	}
	for _, i := range b.items {
		if i.first == nil {
			continue
		}
		if err := c.link(i); err != nil {
			return i.in.failed("link", i.name, err)
		}
	}
	c.gauge.files.Add(int64(len(b.items)))
	return nil
}

// link goes to the first name of a file folder by folder.
func (c *copier) link(i *item) error {
	at := int(c.root.to.Fd())
	for _, name := range i.first.folders {
		next, err := unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if at != int(c.root.to.Fd()) {
			_ = unix.Close(at)
		}
		if err != nil {
			return err
		}
		at = next
	}
	err := unix.Linkat(at, i.first.name, int(i.in.to.Fd()), i.name, 0)
	if at != int(c.root.to.Fd()) {
		_ = unix.Close(at)
	}
	return err
}
