package privilege

import (
	"errors"
	"io"
	"strings"

	"golang.org/x/sys/unix"
)

const folderFlags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// openBelow opens a folder below another without following symbolic links.
func openBelow(top int, path string) (int, error) {
	fd := top
	for name := range strings.SplitSeq(path, "/") {
		next, err := openFolder(fd, name)
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

func openFolder(dir int, name string) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Openat(dir, name, folderFlags, 0)
		return err
	})
	return fd, err
}

// listing reads the names in folders, one folder after the other. It asks the
// kernel itself, with memory that is used again: for many small folders an
// os.File each costs as much as all the rest.
type listing struct {
	buf   [32 << 10]byte // some 1,000 names
	names []string
}

// next returns more names of an open folder, valid until the next call, and
// io.EOF when there are no more.
func (l *listing) next(fd int) ([]string, error) {
	n := 0
	err := uninterrupted(func() (err error) {
		n, err = unix.ReadDirent(fd, l.buf[:])
		return err
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, io.EOF
	}
	_, _, l.names = unix.ParseDirent(l.buf[:n], -1, l.names[:0])
	return l.names, nil
}

// gone reports whether an entry has vanished, or is something else by now.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// uninterrupted repeats a system call that a signal has interrupted. Go lets
// the kernel do that, but network and FUSE file systems do not always.
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR { //nolint:errorlint // as the system call returns it
			return err
		}
	}
}
