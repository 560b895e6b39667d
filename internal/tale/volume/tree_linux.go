package volume

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// key stands for a path, however long it is.
type key [16]byte

func (k key) of(name string) (child key) {
	hash := sha256.Sum256(append(k[:], name...))
	return key(hash[:len(child)])
}

// folder is an open folder of the source, of the copy, or of both. Everything in it is
// reached by its name from there: no path can be too long, and no symbolic link is
// followed.
type folder struct {
	parent   *folder
	name     string
	key      key
	from, to *os.File // nil: not of that side
	old      bool     // the copy's was there before this run
	holders  atomic.Int32
}

const readFolder = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC

// openRoot opens the roots of one side or both; "" is none.
func openRoot(from, to string) (*folder, error) {
	f := &folder{}
	f.holders.Store(1)
	for path, file := range map[string]**os.File{from: &f.from, to: &f.to} {
		if path == "" {
			continue
		}
		descriptor, err := unix.Open(path, readFolder&^unix.O_NOFOLLOW, 0)
		if err != nil {
			f.release()
			return nil, fmt.Errorf("cannot open the folder %s: %w", path, err)
		}
		*file = os.NewFile(uintptr(descriptor), path)
	}
	return f, nil
}

// open opens a folder in this one, on the same sides.
func (f *folder) open(name string) (*folder, error) {
	child := &folder{parent: f, name: name, key: f.key.of(name)}
	child.holders.Store(1)
	for _, side := range []struct{ in, file **os.File }{{&f.from, &child.from}, {&f.to, &child.to}} {
		if *side.in == nil {
			continue
		}
		opened, err := openIn(*side.in, name, readFolder|unix.O_NOATIME)
		if err != nil {
			child.release()
			return nil, f.failedAt(*side.in, "open the folder", name, err)
		}
		*side.file = opened
	}
	return child, nil
}

// openIn opens without changing the date of the last access, where the kernel lets us.
func openIn(in *os.File, name string, flags int) (*os.File, error) {
	descriptor, err := unix.Openat(int(in.Fd()), name, flags, 0)
	if errors.Is(err, unix.EPERM) {
		descriptor, err = unix.Openat(int(in.Fd()), name, flags&^unix.O_NOATIME, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(descriptor), name), nil
}

func (f *folder) hold() *folder {
	f.holders.Add(1)
	return f
}

func (f *folder) release() {
	if f.holders.Add(-1) > 0 {
		return
	}
	for _, file := range []*os.File{f.from, f.to} {
		if file != nil {
			_ = file.Close()
		}
	}
}

// path returns a path for people, quoted if it is odd. One that is too long for them
// is cut.
func (f *folder) path(name string) string {
	const longest = 300
	for ; f.parent != nil; f = f.parent {
		if len(name) > longest {
			name = "…/" + name[len(name)-longest:]
			break
		}
		name = f.name + "/" + name
	}
	name = strings.TrimSuffix(name, "/")
	if name == "" {
		return "the root folder"
	}
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` || strings.ContainsAny(name, " '") {
		return quoted
	}
	return name
}

var errChanges = errors.New("the source changes while it is copied")

// changedError says that a source does not stay as it is.
func changedError(path, how string) error {
	return exit.Errorf(exit.Temporary, "%w: %s %s; stop what writes into it (`docker ps --filter volume=NAME` lists the containers; it may be a program on the host), and run the same command again", errChanges, path, how)
}

// failed says what could not be done to an entry, why, and what mends it.
func (f *folder) failed(what, name string, err error) error {
	path := f.path(name)
	switch {
	case err == nil:
		return nil
	case atomicfile.IsFull(err):
		return exit.Errorf(exit.Unavailable, "cannot %s %s: the disk of the copy is full (%w); make room and run the same command again, it goes on where it was", what, path, err)
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.EROFS):
		return exit.Errorf(exit.NoPermission, "cannot %s %s: %w; the Docker engine does not give its containers this right", what, path, err)
	case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE):
		return exit.Errorf(exit.Config, "cannot %s %s: %w; raise the limit of open files of the Docker engine (LimitNOFILE)", what, path, err)
	}
	return fmt.Errorf("cannot %s %s: %w", what, path, err)
}

// failedAt returns what failed does, unless the source has changed since the entry was
// listed: there is none any more, or one of another kind.
func (f *folder) failedAt(side *os.File, what, name string, err error) error {
	if side != f.from {
		return f.failed(what, name, err)
	}
	for _, gone := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENXIO, unix.EINVAL, unix.ENODATA, unix.ESTALE} {
		if errors.Is(err, gone) {
			return changedError(f.path(name), "has gone or been replaced")
		}
	}
	return f.failed(what, name, err)
}

// each calls do for every name in an open folder, of which it holds some at a time.
func (f *folder) each(file *os.File, do func(name string) error) error {
	_, err := file.Seek(0, io.SeekStart)
	for err == nil {
		var names []string
		names, err = file.Readdirnames(1 << 12)
		for _, name := range names {
			if err := do(name); err != nil {
				return err
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return f.failedAt(file, "read the folder", "", err)
}

// status looks at an entry without following it.
func status(in *os.File, name string) (*unix.Stat_t, error) {
	var s unix.Stat_t
	return &s, unix.Fstatat(int(in.Fd()), name, &s, unix.AT_SYMLINK_NOFOLLOW)
}

// source returns the status of an entry of the source, which has just been listed.
func (f *folder) source(name string) (*unix.Stat_t, error) {
	s, err := status(f.from, name)
	return s, f.failedAt(f.from, "look at", name, err)
}

func kind(s *unix.Stat_t) uint32 { return s.Mode & unix.S_IFMT }

// room returns how much of an entry's content is no hole, shared among its names.
func room(s *unix.Stat_t) int64 {
	if kind(s) != unix.S_IFREG {
		return 0
	}
	return min(s.Size, s.Blocks*512) / max(1, int64(s.Nlink)) //nolint:unconvert // the type differs between platforms
}

// blocks returns the same in whole blocks of the disk.
func blocks(s *unix.Stat_t) int64 {
	return s.Blocks * 512 / max(1, int64(s.Nlink)) //nolint:unconvert // as above
}
