package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

// hidden is the folder in a volume that a restore works in. No backup has it.
const hidden = ".tale-restore"

// stamp is what a file looks like from outside; any change of it changes the stamp.
type stamp struct {
	mode         uint32
	uid, gid     uint32
	size         int64
	mtime, ctime unix.Timespec
	dev, ino     uint64
	rdev         uint64
}

func (s stamp) kind() uint32    { return s.mode & unix.S_IFMT }
func (s stamp) isRegular() bool { return s.kind() == unix.S_IFREG }

type node struct{ dev, ino uint64 }

func (s stamp) node() node { return node{s.dev, s.ino} }

func look(path string) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return stamp{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	//nolint:unconvert // the types differ between systems
	return stamp{
		mode: uint32(st.Mode), uid: st.Uid, gid: st.Gid, size: st.Size, mtime: st.Mtim, ctime: st.Ctim,
		dev: uint64(st.Dev), ino: st.Ino, rdev: uint64(st.Rdev),
	}, nil
}

// walk calls visit for everything below a folder, parents first, with paths relative to
// it; "." is the folder itself. What goes away meanwhile is left out.
func walk(root string, visit func(path string, s stamp) error) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil
		}
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if below == hidden {
			return fs.SkipDir
		}
		s, err := look(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return visit(below, s)
	})
}

// record is all of a file that a copy has to have.
type record struct {
	text       string
	node       node // of a regular file, which may have several names
	sum        []byte
	attributes map[string]string
}

// newRecord describes a file; content is the hash of a regular file's.
func newRecord(path string, s stamp, link string, attributes map[string]string, content []byte) record {
	var list []string
	text := fmt.Sprintf("%o %d:%d", s.mode, s.uid, s.gid)
	switch s.kind() {
	case unix.S_IFREG:
		text += fmt.Sprintf(" %d %x", s.size, content)
	case unix.S_IFLNK:
		text += fmt.Sprintf(" %q", link)
	case unix.S_IFCHR, unix.S_IFBLK:
		text += fmt.Sprintf(" %d", s.rdev)
	}
	if path != "." { // what is moved into it changes that of the folder itself
		text += fmt.Sprintf(" %d.%09d", s.mtime.Sec, s.mtime.Nsec)
		for _, name := range slices.Sorted(maps.Keys(attributes)) {
			list = append(list, fmt.Sprintf("%q=%q", name, attributes[name]))
		}
	}
	r := record{text: strings.Join(append([]string{text}, list...), " "), sum: content, attributes: attributes}
	if s.isRegular() {
		r.node = s.node()
	}
	return r
}

// sumOf returns the hash of a tree.
func sumOf(records map[string]record) string {
	sum := sha256.New()
	first := map[node]string{}
	for _, path := range slices.Sorted(maps.Keys(records)) {
		r := records[path]
		if _, there := first[r.node]; !there || r.node == (node{}) {
			first[r.node] = path
		}
		_, _ = fmt.Fprintf(sum, "%q %q %s\n", path, first[r.node], r.text) // never fails
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// readTree describes a whole tree, reading every byte, as if files had these attributes, too.
func readTree(root string, foreign map[node]map[string]string) (map[string]record, error) {
	records := map[string]record{}
	contents := map[node][]byte{} // of names that are one file
	err := walk(root, func(path string, s stamp) error {
		full := filepath.Join(root, path)
		if s.kind() == unix.S_IFSOCK {
			return nil
		}
		link := ""
		content := contents[s.node()]
		attributes, _, err := xattr.Of(full)
		if has, more := attributes, foreign[s.node()]; len(more) > 0 {
			attributes = maps.Clone(more)
			maps.Copy(attributes, has)
		}
		switch {
		case err != nil:
			return err
		case s.kind() == unix.S_IFLNK:
			link, err = os.Readlink(full)
		case s.isRegular() && content == nil:
			content, err = hashFile(full)
			contents[s.node()] = content
		}
		records[path] = newRecord(path, s, link, attributes, content)
		return err
	})
	return records, err
}

func hashFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	sum := sha256.New()
	_, err = copyBuffered(sum, file)
	return sum.Sum(nil), err
}
