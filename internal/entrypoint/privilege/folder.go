package privilege

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links the kernel follows in one path.
const maxLinks = 40

// LinkError is a folder that a link stands for, which may lead root anywhere.
type LinkError struct{ Path string }

func (e *LinkError) Error() string {
	return e.Path + " is a symbolic link, which root does not follow here: name the folder that it leads to"
}

// openFolder opens a folder, and makes it and its parents when they are missing.
// Root must not act where another user leads it: the folder itself must not be a
// symbolic link, and on the way to it only links that root has made are followed.
// The handle stands for the folder and cannot be read.
func openFolder(folder string) (*os.File, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	d := &descent{names: split(path)}
	for err = d.restart(); err == nil && len(d.names) > 0; {
		err = d.step()
	}
	if err != nil {
		d.at.Close() //nolint:errcheck,gosec // it was only looked through
		return nil, err
	}
	return d.at, nil
}

// descent goes down a path name by name.
type descent struct {
	at    *os.File // nil before the first step
	names []string // still to go
	links int      // followed so far
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}

func (d *descent) restart() error {
	root, err := openName(unix.AT_FDCWD, "/", "/")
	d.moveTo(root)
	return err
}

func (d *descent) moveTo(next *os.File) {
	_ = d.at.Close()
	d.at = next
}

// step goes to the next name, or puts in its place what a link of that name
// stands for.
func (d *descent) step() error {
	next, err := d.open(d.names[0])
	if err != nil {
		return err
	}
	d.names = d.names[1:]
	target, err := d.target(next)
	if err != nil || target == "" {
		d.moveTo(next)
		return err
	}
	_ = next.Close()
	d.names = append(split(target), d.names...)
	if filepath.IsAbs(target) {
		return d.restart()
	}
	return nil
}

func (d *descent) open(name string) (*os.File, error) {
	dir, path := int(d.at.Fd()), filepath.Join(d.at.Name(), name)
	next, err := openName(dir, name, path)
	if !errors.Is(err, unix.ENOENT) {
		return next, err
	}
	if err := unix.Mkdirat(dir, name, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the folder %s: %w", path, err)
	}
	return openName(dir, name, path)
}

func openName(dir int, name, path string) (*os.File, error) {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// target returns where a link leads; a folder leads nowhere.
func (d *descent) target(next *os.File) (string, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(next.Fd()), &st); err != nil {
		return "", fmt.Errorf("cannot look at %s: %w", next.Name(), err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "", nil
	case unix.S_IFLNK:
		if len(d.names) == 0 || st.Uid != 0 || d.links == maxLinks {
			return "", &LinkError{next.Name()}
		}
	default:
		return "", fmt.Errorf("%s: %w", next.Name(), unix.ENOTDIR)
	}
	d.links++
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(next.Fd()), "", buf)
	return string(buf[:n]), err
}
