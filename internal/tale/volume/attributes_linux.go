package volume

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

// sourcePrint stands for all that changes when an entry of a source does.
func sourcePrint(s *unix.Stat_t) sum {
	return sumOf(uint64(s.Mode), uint64(s.Uid), uint64(s.Gid), uint64(s.Size), uint64(s.Rdev), s.Ino, uint64(s.Nlink), //nolint:unconvert // the types differ between platforms
		uint64(s.Mtim.Sec), uint64(s.Mtim.Nsec), uint64(s.Ctim.Sec), uint64(s.Ctim.Nsec))
}

// copyPrint stands for all that a copy is to have of an entry, and that a service which
// uses the copy changes. A folder's size and a symbolic link's mode are the file system's.
func copyPrint(s *unix.Stat_t) sum {
	mode, size := s.Mode, s.Size
	switch kind(s) {
	case unix.S_IFDIR:
		size = 0
	case unix.S_IFLNK:
		mode = unix.S_IFLNK
	}
	return sumOf(uint64(mode), uint64(s.Uid), uint64(s.Gid), uint64(size), uint64(s.Rdev), uint64(s.Mtim.Sec), uint64(s.Mtim.Nsec)) //nolint:unconvert // the types differ between platforms
}

func sumOf(numbers ...uint64) sum {
	var text [16 * 8]byte
	for i, n := range numbers {
		binary.LittleEndian.PutUint64(text[8*i:], n)
	}
	hash := sha256.Sum256(text[:8*len(numbers)])
	return sum(binary.LittleEndian.Uint64(hash[:]))
}

// at makes a fingerprint one of its place; those of a tree are added up.
func (s sum) at(k key) sum {
	return sumOf(binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:]), uint64(s))
}

// owned returns what an entry is to be in the copy.
func (o Owner) owned(s *unix.Stat_t) *unix.Stat_t {
	changed := *s
	if o == App {
		changed.Uid, changed.Gid = appID, appID
	}
	return &changed
}

// appID is the user and the group of the images.
const appID = 1001

// byName returns a path of an entry for those system calls that know no open folders.
func byName(in *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", in.Fd(), name)
}

// attributes returns the extended attributes of an entry that a copy can have, nil for none.
func attributes(in *os.File, name string) (map[string]string, error) {
	found, _, err := allAttributes(in, name)
	return found, err
}

// allAttributes returns the names of the others as well.
func allAttributes(in *os.File, name string) (found map[string]string, others []string, err error) {
	found, others, err = xattr.Of(byName(in, name))
	delete(found, markAttribute)
	if wrong, is := errors.AsType[*fs.PathError](err); is { // the path is this process's own
		err = fmt.Errorf("%s it: %w", wrong.Op, wrong.Err)
	}
	return found, others, err
}

// give gives an entry of the copy what it is to have, and nothing besides. Changing the
// owner clears the set-user-ID bit and capabilities, so they come after, the dates last.
func give(in *os.File, name string, want *unix.Stat_t, extended map[string]string) error {
	descriptor := int(in.Fd())
	if err := unix.Fchownat(descriptor, name, int(want.Uid), int(want.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("owner %d:%d: %w", want.Uid, want.Gid, err)
	}
	if err := strip(in, name, extended); err != nil {
		return err
	}
	if kind(want) != unix.S_IFLNK {
		if err := unix.Fchmodat(descriptor, name, want.Mode&^unix.S_IFMT, 0); err != nil {
			return fmt.Errorf("mode %o: %w", want.Mode&^unix.S_IFMT, err)
		}
	}
	for attribute, value := range extended {
		if err := unix.Lsetxattr(byName(in, name), attribute, []byte(value), 0); err != nil {
			return fmt.Errorf("extended attribute %s: %w", attribute, err)
		}
	}
	if err := unix.UtimesNanoAt(descriptor, name, []unix.Timespec{want.Atim, want.Mtim}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("date: %w", err)
	}
	return nil
}

// strip removes the extended attributes that an entry is not to have: what a folder above
// has handed down to everything new in it, or an earlier run has left.
func strip(in *os.File, name string, except map[string]string) error {
	has, err := attributes(in, name)
	for attribute := range has {
		if _, wanted := except[attribute]; wanted {
			continue
		}
		if err := unix.Lremovexattr(byName(in, name), attribute); err != nil {
			return fmt.Errorf("extended attribute %s: %w", attribute, err)
		}
	}
	return err
}

// difference says how an entry of the copy differs from what it is to be, "" if it
// does not. It counts the attributes that no copy can have.
func difference(f *folder, name string, want *unix.Stat_t, left xattr.Left) (string, error) {
	got, err := status(f.to, name)
	if err != nil {
		return "", f.failed("look at the copy of", name, err)
	}
	if copyPrint(got) != copyPrint(want) {
		return fmt.Sprintf("is %s instead of %s", describe(got), describe(want)), nil
	}
	there, others, err := allAttributes(f.from, name)
	if err != nil {
		return "", f.failedAt(f.from, "read the attributes of", name, err)
	}
	for _, other := range others {
		left.Add(other)
	}
	here, err := attributes(f.to, name)
	if err != nil {
		return "", f.failed("read the attributes of the copy of", name, err)
	}
	if !maps.Equal(there, here) {
		return fmt.Sprintf("has the extended attributes %q instead of %q", here, there), nil
	}
	if kind(want) != unix.S_IFLNK {
		return "", nil
	}
	leads, err := readLink(f.from, name)
	if err != nil {
		return "", f.failedAt(f.from, "read the symbolic link", name, err)
	}
	copied, err := readLink(f.to, name)
	if err == nil && !bytes.Equal(leads, copied) {
		return fmt.Sprintf("leads to %q instead of %q", copied, leads), nil
	}
	return "", f.failed("read the copy of the symbolic link", name, err)
}

func describe(s *unix.Stat_t) string {
	return fmt.Sprintf("(mode %o, owner %d:%d, %d bytes, of %d.%09d)", s.Mode, s.Uid, s.Gid, s.Size, s.Mtim.Sec, s.Mtim.Nsec)
}

func readLink(in *os.File, name string) ([]byte, error) {
	into := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(in.Fd()), name, into)
	return into[:max(n, 0)], err
}
