package data

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// member is one of the file of a backup, and where it lies there.
type member struct {
	head    *tar.Header
	content []byte
	at      int // of its head; the content follows
}

const tarBlock = 512

func membersOf(t *testing.T, text []byte) (all []member) {
	t.Helper()
	at := 0
	for archive := tar.NewReader(bytes.NewReader(text)); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(archive)
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, member{head, content, at})
		at += tarBlock + (len(content)+tarBlock-1)/tarBlock*tarBlock
	}
}

func archiveOf(t *testing.T, members []member) []byte {
	t.Helper()
	var out bytes.Buffer
	archive := tar.NewWriter(&out)
	for _, m := range members {
		if err := archive.WriteHeader(m.head); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// damages returns the file of a backup with each of its members cut, changed, left out,
// replaced by a folder, and with another before it.
func damages(t *testing.T, text []byte) map[string][]byte {
	t.Helper()
	all, damaged := membersOf(t, text), map[string][]byte{}
	for i, m := range all {
		name, size := m.head.Name, len(m.content)
		for _, cut := range []int{0, 1, tarBlock / 2, tarBlock, tarBlock + size/2, tarBlock + size} {
			damaged[fmt.Sprintf("%s cut at %d", name, cut)] = text[:m.at+cut]
		}
		for _, at := range []int{0, 100, 124, 148, tarBlock + size/2, tarBlock + size - 1} { // name, mode, size, checksum, content
			if at < tarBlock+size {
				flipped := bytes.Clone(text)
				flipped[m.at+at] ^= 1
				damaged[fmt.Sprintf("%s with byte %d flipped", name, at)] = flipped
			}
		}
		folder := member{head: &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o700, ModTime: m.head.ModTime}}
		extra := member{&tar.Header{Typeflag: tar.TypeReg, Name: name + ".more", Size: 1, Mode: 0o600, ModTime: m.head.ModTime}, []byte("x"), 0}
		damaged[name+" left out"] = archiveOf(t, slices.Delete(slices.Clone(all), i, i+1))
		damaged[name+" is a folder"] = archiveOf(t, slices.Replace(slices.Clone(all), i, i+1, folder))
		damaged["another before "+name] = archiveOf(t, slices.Insert(slices.Clone(all), i, extra))
		damaged[name+" twice"] = archiveOf(t, slices.Insert(slices.Clone(all), i, m))
	}
	damaged["whole, and more behind"] = append(bytes.Clone(text), make([]byte, tarBlock)...)
	damaged["empty"] = nil
	return damaged
}

// TestDamageIsFoundBeforeAnythingIsReplaced: whatever is wrong with the file, the engine is
// asked for no more than the lock and what runs.
func TestDamageIsFoundBeforeAnythingIsReplaced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	file := s.backedUp()
	s.Fill("now")
	text, now := []byte(testkit.ReadFile(t, file)), s.Holds()
	if !bytes.Equal(text, archiveOf(t, membersOf(t, text))) {
		t.Fatal("this test makes other archives than backups are")
	}
	refused := func(how string, code int, words ...string) {
		t.Helper()
		before := len(s.Calls())
		err := s.Run(s.app.restoreCommand(), file, "--project-name", "shop-1")
		if exit.Code(err) != code {
			t.Errorf("%s: exit code %d, want %d", how, exit.Code(err), code)
		}
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %v does not say %q", how, err, word)
			}
		}
		for _, call := range s.Calls()[before:] {
			if strings.Contains(call, "/exec") || strings.Contains(call, "/stop") {
				t.Errorf("%s: %s", how, call)
			}
		}
	}
	for how, damaged := range damages(t, text) {
		testkit.WriteTree(t, s.app.Folder, map[string]string{"b.tar": string(damaged)})
		refused(how, exit.Failure, "the backup is damaged: ", "nothing was changed")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	refused("no file", exit.Usage, "cannot open the backup: ")
	testkit.WriteTree(t, file, map[string]string{"part": ""})
	refused("a folder", exit.Usage, "is a folder, where a file is wanted")
	if is := s.Holds(); is != now {
		t.Errorf("there was\n%s\nand is\n%s", now, is)
	}
}
