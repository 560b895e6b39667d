package volumetest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Tree is all that can be seen of a folder.
type Tree map[string]Entry // by path; "." is the root

// Entry is a file, folder, link or anything else.
type Entry struct {
	Mode       uint32
	UID, GID   uint32
	Size       int64 // not of folders
	Device     uint64
	Date       syscall.Timespec
	Leads      string // of a symbolic link
	Content    string // SHA-256
	Attributes string
	Names      string // the first of all names that the file has here
	blocks     int64
}

// Read reads a folder, byte by byte.
func Read(t testing.TB, folder string) Tree {
	t.Helper()
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	tree := Tree{}
	inodes := map[uint64][]string{}
	if err := tree.read(root, ".", inodes); err != nil {
		t.Fatal(err)
	}
	for _, paths := range inodes {
		slices.Sort(paths)
		for _, path := range paths {
			entry := tree[path]
			entry.Names = paths[0]
			tree[path] = entry
		}
	}
	return tree
}

func (tree Tree) read(root *os.Root, name string, inodes map[uint64][]string) error {
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	s := info.Sys().(*syscall.Stat_t)
	entry := Entry{Mode: s.Mode, UID: s.Uid, GID: s.Gid, Size: s.Size, Device: s.Rdev, Date: s.Mtim, blocks: s.Blocks}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		entry.Leads, err = root.Readlink(name)
	case info.Mode().IsRegular(), info.IsDir():
		err = entry.open(root, name)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		inodes[s.Ino] = append(inodes[s.Ino], name)
		tree[name] = entry
		return nil
	}
	entry.Size = 0
	tree[name] = entry
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	inside, err := file.Readdirnames(-1)
	for _, child := range inside {
		err = errors.Join(err, tree.read(root, path.Join(name, child), inodes))
	}
	return errors.Join(err, file.Close())
}

// open reads what only an open file says.
func (e *Entry) open(root *os.Root, name string) error {
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOATIME, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if e.Mode&unix.S_IFMT == unix.S_IFREG {
		hash := sha256.New()
		if _, err := io.Copy(hash, file); err != nil {
			return err
		}
		e.Content = hex.EncodeToString(hash.Sum(nil))
	}
	list := make([]byte, 1<<16)
	n, err := unix.Flistxattr(int(file.Fd()), list)
	if err != nil {
		return err
	}
	attributes := map[string]string{}
	for _, attribute := range strings.FieldsFunc(string(list[:n]), func(r rune) bool { return r == 0 }) {
		value := make([]byte, 1<<16)
		n, err := unix.Fgetxattr(int(file.Fd()), attribute, value)
		if err != nil {
			return err
		}
		attributes[attribute] = string(value[:n])
	}
	delete(attributes, "user.tale.copy")
	delete(attributes, "security.selinux")
	e.Attributes = fmt.Sprintf("%q", attributes) // sorted by fmt
	return nil
}

// Differences returns what a copy of a tree has otherwise than it should; owner -1 keeps
// the owners. Sockets, and what the tool before this one left in the root, are not copied.
func (tree Tree) Differences(copied Tree, owner int) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(tree)) {
		want := tree[name]
		got, there := copied[name]
		if want.Mode&unix.S_IFMT == unix.S_IFSOCK || name == ".tale-migration-complete" {
			if there {
				found = append(found, fmt.Sprintf("%q is copied", name))
			}
			continue
		}
		if owner >= 0 {
			want.UID, want.GID = uint32(owner), uint32(owner)
		}
		if slack := int64(64); got.blocks > want.blocks+slack {
			found = append(found, fmt.Sprintf("%q takes %d blocks instead of %d", name, got.blocks, want.blocks))
		}
		want.blocks, got.blocks = 0, 0
		if got != want {
			found = append(found, fmt.Sprintf("%.200q is\n%.600v instead of\n%.600v", name, fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(copied)) {
		if _, there := tree[name]; !there {
			found = append(found, fmt.Sprintf("%q is in the copy alone", name))
		}
	}
	return found
}

// Check fails a test whose copy of a folder is not equal.
func Check(t testing.TB, from Tree, to string, owner int) {
	t.Helper()
	found := from.Differences(Read(t, to), owner)
	for _, difference := range found[:min(len(found), 5)] {
		t.Error(difference)
	}
	if len(found) > 5 {
		t.Errorf("and %d more", len(found)-5)
	}
}

// Unchanged fails a test whose folder is not what it was.
func (tree Tree) Unchanged(t testing.TB, folder string) {
	t.Helper()
	now := Read(t, folder)
	for _, side := range []Tree{tree, now} {
		for name := range side {
			was, is := tree[name], now[name]
			was.blocks, is.blocks = 0, 0 // the file system allocates when it likes
			if was != is {
				t.Errorf("%.200q was\n%+v and is\n%+v", name, was, is)
			}
		}
	}
}
