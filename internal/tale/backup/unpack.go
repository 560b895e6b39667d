package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

// unpack puts a volume's content beside what it has, under the id of the backup, and
// proves that it is that of the backup. The input is the archive in frames and, behind the
// empty one, the names that have ended. What is there of that id already stays. It returns what
// the backup has, and the volume cannot have.
func unpack(ctx context.Context, root, id, tree string, in io.Reader) (left xattr.Left, err error) {
	found, err := lookInto(root)
	switch {
	case err != nil:
		return nil, err
	case found.Swapping != "" && found.Swapping != id:
		return nil, fmt.Errorf("the restore of another backup, %s, is not finished", found.Swapping)
	case found.Ready == id:
		return nil, nil
	}
	work := filepath.Join(root, hidden)
	for _, name := range []string{readyName, newName} {
		if err := os.RemoveAll(filepath.Join(work, name)); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(work, newName), 0o700); err != nil {
		return nil, err
	}
	u := &unpacker{root: filepath.Join(work, newName), folders: map[string]*tar.Header{}, foreign: map[node]map[string]string{}}
	err = u.all(ctx, tree, in)
	if err == nil {
		err = atomicfile.Write(filepath.Join(work, reserveName), bytes.Repeat([]byte("room"), reserve/4), 0o600)
	}
	if err == nil {
		err = atomicfile.Write(filepath.Join(work, readyName), []byte(id), 0o600)
	}
	if atomicfile.IsFull(err) {
		err = &fullError{u.bytes, err}
	}
	return u.left(), err
}

// fullError says how much was unpacked when the disk of a volume was full.
type fullError struct {
	bytes int64
	error
}

func (f *fullError) Unwrap() error { return f.error }

// all unpacks an archive and proves what has come of it.
func (u *unpacker) all(ctx context.Context, tree string, in io.Reader) error {
	frames := &framesReader{from: in}
	// One at a time: what reads ahead reads what is behind.
	packed, err := zstd.NewReader(frames, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer packed.Close()
	archive := tar.NewReader(packed)
	for ctx.Err() == nil {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = u.put(head, archive)
		}
		if err == nil {
			u.bytes += head.Size
		}
		if err != nil {
			return fmt.Errorf("cannot unpack: %w", err)
		}
	}
	// The archive is whole only if nothing was cut from behind it.
	for _, rest := range []io.Reader{packed, frames} {
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return err
		}
	}
	gone, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	for name := range bytes.SplitSeq(gone, []byte{0}) {
		path, err := u.path(string(name))
		if err == nil && len(name) > 0 {
			err = os.RemoveAll(path)
		}
		if err != nil && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
	}
	if err := errors.Join(ctx.Err(), u.finish()); err != nil {
		return err
	}
	records, err := readTree(u.root, u.foreign)
	if err != nil {
		return err
	}
	if sum := sumOf(records); sum != tree {
		return fmt.Errorf("the volume has come out as %.16s, with %s, and not as %.16s", sum, english.Plural(len(records), "file", ""), tree)
	}
	return syncBelow(u.root)
}

// unpacker makes files of an archive below a folder.
type unpacker struct {
	root    string
	folders map[string]*tar.Header // whose dates change until the end
	bytes   int64                  // of files that are there
	// foreign are attributes that no helper can set. Backups of earlier releases have them, and
	// their sums are those of files with them.
	foreign map[node]map[string]string
}

func (u *unpacker) left() xattr.Left {
	left := xattr.Left{}
	for _, attributes := range u.foreign {
		for name := range attributes {
			left.Add(name)
		}
	}
	return left
}

// path keeps to the folder. No link leads out of it, either: a name whose parent is one
// has been refused by put, for there is no folder of that name.
func (u *unpacker) path(name string) (string, error) {
	name = strings.TrimSuffix(name, "/")
	if name != "." && name != "" && (!filepath.IsLocal(name) || filepath.Clean(name) != name) {
		return "", fmt.Errorf("%q is no name in a volume", name)
	}
	full := u.root
	for part := range strings.SplitSeq(name, "/") {
		s, err := look(full)
		if err == nil && s.kind() != unix.S_IFDIR {
			return "", &fs.PathError{Op: "use", Path: full, Err: unix.ENOTDIR}
		}
		full = filepath.Join(full, part)
	}
	return full, nil
}

func (u *unpacker) put(head *tar.Header, content io.Reader) error {
	path, err := u.path(head.Name)
	if err != nil {
		return err
	}
	if s, err := look(path); err == nil && (head.Typeflag != tar.TypeDir || s.kind() != unix.S_IFDIR) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if s.kind() == unix.S_IFDIR {
			maps.DeleteFunc(u.folders, func(folder string, _ *tar.Header) bool { return folder == path || strings.HasPrefix(folder, path+"/") })
		}
	}
	switch head.Typeflag {
	case tar.TypeDir:
		if err = os.Mkdir(path, 0o700); errors.Is(err, fs.ErrExist) {
			err = nil
		}
		u.folders[path] = head
	case tar.TypeReg:
		err = putFile(path, content)
	case tar.TypeLink:
		first, err := u.path(head.Linkname)
		if err != nil {
			return err
		}
		return os.Link(first, path)
	case tar.TypeSymlink:
		err = os.Symlink(head.Linkname, path)
	case tar.TypeFifo:
		err = unix.Mknod(path, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar, tar.TypeBlock:
		kind := uint32(unix.S_IFCHR)
		if head.Typeflag == tar.TypeBlock {
			kind = unix.S_IFBLK
		}
		err = unix.Mknod(path, kind|0o600, int(unix.Mkdev(uint32(head.Devmajor), uint32(head.Devminor))))
	default:
		err = fmt.Errorf("%s is of kind %q, which no backup has", head.Name, head.Typeflag)
	}
	if err == nil {
		err = clearAttributes(path)
	}
	if err != nil {
		return err
	}
	if err := setMetadata(path, head); err != nil {
		return err
	}
	return u.keepForeign(path, head)
}

// keepForeign notes what setMetadata could not give a file.
func (u *unpacker) keepForeign(path string, head *tar.Header) error {
	s, err := look(path)
	if err != nil {
		return err
	}
	delete(u.foreign, s.node()) // of one that was there before
	for name, value := range head.PAXRecords {
		if attribute, is := strings.CutPrefix(name, paxAttribute); is && !xattr.Travels(attribute) {
			if u.foreign[s.node()] == nil {
				u.foreign[s.node()] = map[string]string{}
			}
			u.foreign[s.node()][attribute] = value
		}
	}
	return nil
}

// setMetadata gives a file its owner, mode, attributes and date, in the order in which one
// does not take away another.
func setMetadata(path string, head *tar.Header) error {
	if err := unix.Lchown(path, head.Uid, head.Gid); err != nil {
		return &fs.PathError{Op: "chown", Path: path, Err: err}
	}
	if head.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(path, uint32(head.Mode)); err != nil {
			return &fs.PathError{Op: "chmod", Path: path, Err: err}
		}
	}
	for name, value := range head.PAXRecords {
		attribute, is := strings.CutPrefix(name, paxAttribute)
		if !is || !xattr.Travels(attribute) {
			continue
		}
		if err := unix.Lsetxattr(path, attribute, []byte(value), 0); err != nil {
			return fmt.Errorf("cannot give %s its attribute %s: %w", path, attribute, err)
		}
	}
	return setTime(path, head.ModTime)
}

// clearAttributes takes from a file the attributes that the folder above has handed down to it, and from
// a folder those that it had at an earlier pass.
func clearAttributes(path string) error {
	attributes, _, err := xattr.Of(path)
	for name := range attributes {
		err = errors.Join(err, unix.Lremovexattr(path, name))
	}
	return err
}

func setTime(path string, moment time.Time) error {
	at, err := unix.TimeToTimespec(moment)
	if err == nil {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return &fs.PathError{Op: "utimes", Path: path, Err: err}
	}
	return nil
}

// finish gives folders the dates that making their files has changed, the innermost first.
func (u *unpacker) finish() error {
	paths := make([]string, 0, len(u.folders))
	for path := range u.folders {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range slices.Backward(paths) {
		err := setTime(path, u.folders[path].ModTime)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is one of those that have ended
			return err
		}
	}
	return nil
}

// putFile writes a file and leaves holes where it is empty.
func putFile(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = copyBuffered(&sparseWriter{file: file}, content)
	if err == nil {
		var end int64
		if end, err = file.Seek(0, io.SeekCurrent); err == nil {
			err = file.Truncate(end)
		}
	}
	return errors.Join(err, file.Close())
}

// sparseWriter skips blocks of zeros.
type sparseWriter struct{ file *os.File }

func (s *sparseWriter) Write(some []byte) (int, error) {
	const block = 4 << 10
	for at := 0; at < len(some); {
		end := min(at+block, len(some))
		if isZero(some[at:end]) {
			for end < len(some) && isZero(some[end:min(end+block, len(some))]) {
				end = min(end+block, len(some))
			}
			if _, err := s.file.Seek(int64(end-at), io.SeekCurrent); err != nil {
				return at, err
			}
		} else {
			for end < len(some) && !isZero(some[end:min(end+block, len(some))]) {
				end = min(end+block, len(some))
			}
			if _, err := s.file.Write(some[at:end]); err != nil {
				return at, err
			}
		}
		at = end
	}
	return len(some), nil
}

func isZero(some []byte) bool {
	return len(some) > 0 && some[0] == 0 && bytes.Equal(some[1:], some[:len(some)-1])
}
