package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/xattr"
)

// TestAttributesThatNoBackupHas: the kernel lets no helper set them, so that one with them could
// not be restored. They are counted as of what the backup has.
func TestAttributesThatNoBackupHas(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"program", "another", "gone"} {
		must(t, os.WriteFile(filepath.Join(from, name), nil, 0o755))
		must(t, unix.Lsetxattr(filepath.Join(from, name), "security.other", []byte("x"), 0))
	}
	must(t, unix.Lsetxattr(filepath.Join(from, "program"), "security.capability", []byte("\x01\x00\x00\x02\x00\x04"+strings.Repeat("\x00", 14)), 0))
	var out bytes.Buffer
	packed, err := zstd.NewWriter(&out)
	must(t, err)
	c := newCopier(from, packed)
	for range 2 {
		_, err := c.pass(t.Context(), true)
		must(t, errors.Join(err, os.RemoveAll(filepath.Join(from, "gone"))))
	}
	v, gone, err := c.end()
	must(t, errors.Join(err, packed.Close()))
	must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(framed(out.Bytes(), gone))))
	attributes, others, err := xattr.Of(filepath.Join(to, hidden, newName, "program"))
	if err != nil || len(attributes) != 1 || len(attributes["security.capability"]) != 20 || len(others) != 0 {
		t.Errorf("it has come back with %q and %q: %v", attributes, others, err)
	}
	if got := c.left().String(); got != "extended attributes of files: security.other of 2" {
		t.Errorf("left out are %q", got)
	}
}

// TestABackupWithAttributesThatNoHelperCanSet, of an earlier release, is restored without them.
func TestABackupWithAttributesThatNoHelperCanSet(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		must(t, os.WriteFile(filepath.Join(from, name), []byte(name), 0o600))
	}
	must(t, errors.Join(os.Link(filepath.Join(from, "a"), filepath.Join(from, "again")), unix.Lsetxattr(filepath.Join(from, "b"), "user.tale", []byte("x"), 0)))
	tree := func(foreign map[node]map[string]string) string {
		records, err := readTree(from, foreign)
		must(t, err)
		return sumOf(records)
	}
	foreign := map[node]map[string]string{}
	for name, attributes := range map[string]map[string]string{"a": {"security.other": "1"}, "b": {"security.other": "2", "security.ima": "3"}} {
		s, err := look(filepath.Join(from, name))
		must(t, err)
		foreign[s.node()] = attributes
	}
	var out bytes.Buffer
	packed, err := zstd.NewWriter(&out)
	must(t, err)
	archive := tar.NewWriter(packed)
	c := newCopier(from, io.Discard)
	for _, name := range []string{".", "a", "b", "c"} {
		s, err := look(filepath.Join(from, name))
		must(t, err)
		head, file, err := c.head(filepath.Join(from, name), name, s)
		must(t, err)
		if file != nil {
			must(t, file.Close())
		}
		for attribute, value := range foreign[s.node()] {
			if head.PAXRecords == nil {
				head.PAXRecords = map[string]string{}
			}
			head.PAXRecords[paxAttribute+attribute] = value
		}
		must(t, archive.WriteHeader(head))
		if name != "." {
			_, err = archive.Write([]byte(name))
			must(t, err)
		}
	}
	must(t, errors.Join(archive.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: "again", Linkname: "a"}), archive.Close(), packed.Close()))
	if _, err := unpack(t.Context(), to, "other", tree(nil), bytes.NewReader(framed(out.Bytes(), nil))); err == nil {
		t.Error("what it has is not looked at")
	}
	left, err := unpack(t.Context(), to, "run", tree(foreign), bytes.NewReader(framed(out.Bytes(), nil)))
	if err != nil || left.String() != "extended attributes of files: security.other of 2" {
		t.Errorf("left out are %s: %v", left, err)
	}
	_, others, err := xattr.Of(filepath.Join(to, hidden, newName, "a"))
	if err != nil || len(others) > 0 {
		t.Errorf("it has %q: %v", others, err)
	}
}
