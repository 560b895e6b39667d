package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

// racy is how close to the moment of a look a change may be that leaves no trace: two
// changes within a tick of the kernel's clock have one date.
const racy = time.Second

// copier writes a tree to a tar in passes, each of which writes what is new or changed
// since the one before.
type copier struct {
	root    string
	out     *tar.Writer
	seen    map[string]copied
	gone    map[string]bool
	sockets []string
	others  map[string][]string // by path: attributes that no backup has
}

type copied struct {
	stamp  stamp
	unsure bool // it may have changed since, or while it was read
	record record
}

// passed says what a pass has written.
type passed struct {
	Files, Bytes int64
}

func newCopier(root string, out io.Writer) *copier {
	return &copier{root: root, out: tar.NewWriter(out), seen: map[string]copied{}, gone: map[string]bool{}, others: map[string][]string{}}
}

// pass writes what is new or changed. Still says that nothing changes any more, so that
// what does is an error.
func (c *copier) pass(ctx context.Context, still bool) (done passed, err error) {
	present := map[string]bool{}
	written := map[node]string{} // in this pass: other names of it are links
	c.sockets = nil
	err = walk(c.root, func(path string, s stamp) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.kind() == unix.S_IFSOCK {
			c.sockets = append(c.sockets, path)
			return nil
		}
		before, known := c.seen[path]
		if !known || before.unsure || before.stamp != s {
			first, linked := written[s.node()]
			if !s.isRegular() {
				linked = false
			}
			n, err := c.write(path, s, first, linked, still)
			if errors.Is(err, fs.ErrNotExist) && !still {
				return nil
			}
			if err != nil {
				return err
			}
			if !linked {
				written[s.node()] = path
			}
			done.Files++
			done.Bytes += n
		}
		present[path] = true
		return nil
	})
	if err != nil {
		return done, err
	}
	for path := range c.seen {
		if !present[path] {
			delete(c.seen, path)
			c.gone[path] = true
		}
	}
	return done, c.out.Flush()
}

// write writes one member; linked says that it is another name of first.
func (c *copier) write(path string, s stamp, first string, linked, still bool) (int64, error) {
	full := filepath.Join(c.root, path)
	head, file, err := c.head(full, path, s)
	if err != nil {
		return 0, err
	}
	var content []byte
	var size int64
	unsure := false
	if file != nil {
		defer file.Close()
	}
	switch {
	case linked:
		head.Typeflag, head.Linkname, head.Size = tar.TypeLink, first, 0
		head.PAXRecords = nil
		content = c.seen[first].record.sum
		err = c.out.WriteHeader(head)
		unsure = c.seen[first].unsure || c.seen[first].stamp != s
		s = c.seen[first].stamp // what was copied: the next pass sees that it is another
	case file != nil:
		size = s.size
		if err = c.out.WriteHeader(head); err == nil {
			content, unsure, err = c.content(file, s.size)
		}
	default:
		err = c.out.WriteHeader(head)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot copy %s: %w", path, err)
	}
	if unsure && still {
		return 0, fmt.Errorf("cannot copy %s: it changes while its service stands still, so that something else writes into the volume", path)
	}
	attributes := map[string]string{}
	for name, value := range head.PAXRecords {
		attributes[name[len(paxAttribute):]] = value
	}
	if linked {
		attributes = c.seen[first].record.attributes
	}
	changed := time.Unix(s.ctime.Unix())
	r := newRecord(path, s, head.Linkname, attributes, content)
	c.seen[path] = copied{stamp: s, unsure: unsure || !still && time.Since(changed) < racy, record: r}
	delete(c.gone, path)
	return size, nil
}

const paxAttribute = "SCHILY.xattr."

// head returns how a file stands in the archive, and a regular one open.
func (c *copier) head(full, path string, s stamp) (*tar.Header, *os.File, error) {
	attributes, others, err := xattr.Of(full)
	if err != nil {
		return nil, nil, err
	}
	c.others[path] = others
	head := &tar.Header{
		Name: path, Mode: int64(s.mode & 0o7777), Uid: int(s.uid), Gid: int(s.gid),
		ModTime: time.Unix(s.mtime.Unix()), Format: tar.FormatPAX,
	}
	if path == "." {
		attributes = nil // they are the volume's own business, as marks of copies are
	}
	if len(attributes) > 0 {
		head.PAXRecords = map[string]string{}
	}
	for name, value := range attributes {
		head.PAXRecords[paxAttribute+name] = value
	}
	switch s.kind() {
	case unix.S_IFREG:
		head.Typeflag, head.Size = tar.TypeReg, s.size
		file, err := os.Open(full)
		return head, file, err
	case unix.S_IFDIR:
		head.Typeflag, head.Name = tar.TypeDir, path+"/"
	case unix.S_IFLNK:
		head.Typeflag = tar.TypeSymlink
		head.Linkname, err = os.Readlink(full)
	case unix.S_IFIFO:
		head.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		head.Typeflag = tar.TypeChar
		if s.kind() == unix.S_IFBLK {
			head.Typeflag = tar.TypeBlock
		}
		head.Devmajor, head.Devminor = int64(unix.Major(s.rdev)), int64(unix.Minor(s.rdev))
	default:
		err = fmt.Errorf("%s is a file of kind %o, which cannot be copied", path, s.kind())
	}
	return head, nil, err
}

// content writes exactly size bytes of a file, and reports whether it had others.
func (c *copier) content(file *os.File, size int64) (sum []byte, unsure bool, err error) {
	hash := sha256.New()
	n, err := copyBuffered(io.MultiWriter(c.out, hash), io.LimitReader(file, size))
	if err != nil {
		return nil, false, err
	}
	if n < size {
		// It has become shorter. The next pass sees it; the archive has to go on.
		_, err = io.Copy(c.out, io.LimitReader(zeros{}, size-n))
		return nil, true, err
	}
	if more, _ := file.Read(make([]byte, 1)); more > 0 {
		unsure = true
	}
	return hash.Sum(nil), unsure, nil
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}

// left counts what the archive does not have of the files in it.
func (c *copier) left() xattr.Left {
	left := xattr.Left{}
	for path := range c.seen {
		for _, name := range c.others[path] {
			left.Add(name)
		}
	}
	return left
}

// end finishes the archive and returns what it has to come to, and the names that have
// ended, each with a NUL behind it.
func (c *copier) end() (v Volume, gone []byte, err error) {
	records := map[string]record{}
	files := map[node]bool{}
	for path, s := range c.seen {
		records[path] = s.record
		if s.stamp.isRegular() && !files[s.stamp.node()] {
			files[s.stamp.node()] = true
			v.Bytes += s.stamp.size
		}
	}
	v.Files, v.Tree, v.Sockets = int64(len(records)), sumOf(records), c.sockets
	var names bytes.Buffer
	for _, path := range slices.Sorted(maps.Keys(c.gone)) {
		names.WriteString(path)
		names.WriteByte(0)
	}
	return v, names.Bytes(), c.out.Close()
}

func copyBuffered(to io.Writer, from io.Reader) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, 256<<10))
}
