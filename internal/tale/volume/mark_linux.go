package volume

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

const (
	markAttribute = "user.tale.copy"
	// markFile stands in for it where there are no such attributes.
	markFile = ".tale-copy"
	// ownPrefix begins the names of the journal and, with a dot and a number behind
	// it, of files that are on their way.
	ownPrefix = ".tale-copy-"
)

func newMark(from, to string) *Mark {
	return &Mark{From: from, To: to, Began: time.Now().UTC().Truncate(time.Second), ID: strings.ToLower(rand.Text())}
}

func (m *Mark) journal() string         { return ownPrefix + m.ID }
func (m *Mark) owns(name string) bool   { return m != nil && strings.HasPrefix(name, m.journal()) }
func (m *Mark) staged(n uint64) string  { return fmt.Sprintf("%s.%d", m.journal(), n) }
func (m *Mark) whole() bool             { return m != nil && !m.Finished.IsZero() }
func (m *Mark) date(t time.Time) string { return t.Format(time.RFC3339) }

// readMark returns the mark of a volume's root, nil if there is none or it is that of
// another volume, from which a backup has brought it here.
func readMark(root *os.File, volume string) (*Mark, error) {
	text, err := xattr.Sized(func(into []byte) (int, error) { return unix.Fgetxattr(int(root.Fd()), markAttribute, into) })
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		text, err = readSmall(root, markFile)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read whether the volume %s is a copy: %w", volume, err)
	}
	var m Mark
	if err := json.Unmarshal(text, &m); err != nil || m.To != volume || m.ID == "" {
		return nil, nil //nolint:nilerr // it says nothing, and nothing is what it says
	}
	return &m, nil
}

// write replaces the mark and returns when it cannot be lost any more.
func (m *Mark) write(root *os.File) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = unix.Fsetxattr(int(root.Fd()), markAttribute, text, 0)
	if errors.Is(err, unix.ENOTSUP) {
		err = writeSmall(root, markFile, text)
	}
	if err == nil {
		err = unix.Syncfs(int(root.Fd()))
	}
	if err != nil {
		return (&folder{}).failed("mark", "the volume "+m.To, err)
	}
	return nil
}

func readSmall(in *os.File, name string) ([]byte, error) {
	file, err := openIn(in, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text := make([]byte, 1<<16)
	n, err := file.Read(text)
	if n > 0 {
		err = nil
	}
	return text[:max(n, 0)], err
}

func writeSmall(in *os.File, name string, text []byte) error {
	descriptor, err := unix.Openat(int(in.Fd()), name+"-new", unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(descriptor), name)
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return unix.Renameat(int(in.Fd()), name+"-new", int(in.Fd()), name)
}

// nothing reports whether a name in a volume's root is no content of it: marks of copies,
// and the folder that an ext4 file system has in its own root.
func nothing(in *os.File, name string) (bool, error) {
	switch name {
	case legacySentinel, markFile + "-new":
		return true, nil
	case markFile:
		text, err := readSmall(in, name)
		return json.Unmarshal(text, &Mark{}) == nil, err
	case "lost+found":
		empty, err := isEmpty(in, name)
		return empty, err
	}
	return false, nil
}

func isEmpty(in *os.File, name string) (bool, error) {
	file, err := openIn(in, name, readFolder|unix.O_NOATIME)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	errFull := errors.New("not empty")
	err = (&folder{}).each(file, func(string) error { return errFull })
	if errors.Is(err, errFull) {
		return false, nil
	}
	return err == nil, err
}

// foreign returns the error of a target that holds what is not ours.
func foreign(from, to, what string) error {
	return exit.Errorf(exit.Config, "the volume %[2]s is not written into: %[3]s. If nothing in it is needed, `docker volume rm %[2]s` and run the same command again, which copies all of %[1]s; if it is needed, keep it: what is in it is not touched", from, to, what)
}
