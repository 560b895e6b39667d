package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// everything fills a folder with a file of each kind.
func everything(t *testing.T, root string) {
	t.Helper()
	mkdir := func(path string, mode os.FileMode) {
		must(t, os.MkdirAll(filepath.Join(root, path), 0o755))
		must(t, os.Chmod(filepath.Join(root, path), mode))
	}
	write := func(path, text string) { must(t, os.WriteFile(filepath.Join(root, path), []byte(text), 0o640)) }
	mkdir("convex/modules", 0o750)
	mkdir("convex/search", 0o700|os.ModeSetgid)
	mkdir("empty", 0o777|os.ModeSticky)
	for i := range 30 {
		write(fmt.Sprintf("convex/modules/m%d", i), fmt.Sprint("module ", i))
	}
	write("new\nline", "")
	write("öäü \xff", "x")
	must(t, os.Link(filepath.Join(root, "convex/modules/m1"), filepath.Join(root, "again")))
	must(t, os.Symlink("convex/modules/m2", filepath.Join(root, "link")))
	must(t, os.Symlink("/etc/passwd", filepath.Join(root, "link-out")))
	must(t, unix.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	must(t, unix.Mknod(filepath.Join(root, "null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	write("sparse", "")
	must(t, os.Truncate(filepath.Join(root, "sparse"), 3<<20))
	write("executable", "#!/bin/sh\n")
	must(t, os.Chown(filepath.Join(root, "executable"), 1001, 1002))
	must(t, os.Chmod(filepath.Join(root, "executable"), 0o755|os.ModeSetuid))
	must(t, unix.Lsetxattr(filepath.Join(root, "executable"), "user.tale", []byte("a\x00b"), 0))
	old := time.Unix(1e9, 123456789)
	must(t, os.Chtimes(filepath.Join(root, "convex/modules/m3"), old, old))
	must(t, os.Chtimes(filepath.Join(root, "convex"), old, old))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyOf copies a folder, with a change of it between the passes.
func copyOf(t *testing.T, root string, changes ...func()) (archive []byte, gone []byte, v Volume) {
	t.Helper()
	var out bytes.Buffer
	packed, err := zstd.NewWriter(&out)
	must(t, err)
	c := newCopier(root, packed)
	for _, change := range changes {
		if _, err := c.pass(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		change()
	}
	if _, err := c.pass(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	v, gone, err = c.end()
	must(t, errors.Join(err, packed.Close()))
	return out.Bytes(), gone, v
}

// unpacked unpacks a backup that the volume can have all of.
func unpacked(ctx context.Context, root, id, tree string, in io.Reader) error {
	left, err := unpack(ctx, root, id, tree, in)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left out are %s", left)
	}
	return err
}

// framed returns an archive as unpack reads it.
func framed(archive, gone []byte) []byte {
	var out bytes.Buffer
	_, _ = copyBuffered(&framesWriter{&out}, bytes.NewReader(archive))
	return append(binary.BigEndian.AppendUint32(out.Bytes(), 0), gone...)
}

func treeOf(t *testing.T, root string) map[string]string {
	t.Helper()
	records, err := readTree(root, nil)
	must(t, err)
	first, texts := map[node]string{}, map[string]string{}
	for path, r := range records {
		texts[path] = r.text
		if r.node != (node{}) && (first[r.node] == "" || path < first[r.node]) {
			first[r.node] = path
		}
	}
	for path, r := range records {
		texts[path] += " = " + first[r.node]
	}
	return texts
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for path := range want {
		if got[path] != want[path] {
			t.Errorf("%q is %q, want %q", path, got[path], want[path])
		}
	}
	for path := range got {
		if _, there := want[path]; !there {
			t.Errorf("%q is there", path)
		}
	}
}

func TestAVolumeComesBackAsItWas(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	everything(t, from)
	join := func(name string) string { return filepath.Join(from, name) }
	archive, gone, v := copyOf(t, from, func() {
		must(t, os.Remove(join("convex/modules/m4")))
		must(t, os.RemoveAll(join("empty")))
		must(t, os.WriteFile(join("empty"), []byte("a file now"), 0o600))
		must(t, os.WriteFile(join("again"), []byte("of two names"), 0o600))
		must(t, os.WriteFile(join("late"), []byte("late"), 0o600))
	}, func() {
		must(t, os.Rename(join("late"), join("later")))
		must(t, os.Link(join("convex/modules/m5"), join("m5")))
		must(t, os.Remove(join("link")))
		must(t, os.Mkdir(join("link"), 0o711))
	})
	must(t, os.WriteFile(filepath.Join(to, "of before"), []byte("old"), 0o600))
	must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(framed(archive, gone))))
	same(t, treeOf(t, filepath.Join(to, hidden, newName)), treeOf(t, from))
	must(t, swap(to, "run"))
	same(t, treeOf(t, to), treeOf(t, from))
	if text, err := os.ReadFile(filepath.Join(to, hidden, beforeName, "of before")); err != nil || string(text) != "old" {
		t.Errorf("what was there is %q, %v", text, err)
	}
	var st unix.Stat_t
	must(t, unix.Stat(filepath.Join(to, "sparse"), &st))
	if st.Size != 3<<20 || st.Blocks > 16 {
		t.Errorf("a hole of %d bytes takes %d blocks", st.Size, st.Blocks)
	}
	must(t, drop(to, true))
	same(t, treeOf(t, to), treeOf(t, from))
}

// TestByHand: what tar and zstd make of it is the same, but for holes.
func TestByHand(t *testing.T) {
	for _, tool := range []string{"tar", "zstd"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%s is needed: %v", tool, err)
		}
	}
	from, to := t.TempDir(), t.TempDir()
	everything(t, from)
	archive, gone, _ := copyOf(t, from, func() { must(t, os.Remove(filepath.Join(from, "link-out"))) })
	command := exec.CommandContext(t.Context(), "sh", "-c", "zstd -dq | tar -x --xattrs --xattrs-include='*' --numeric-owner -p -C "+to)
	command.Stdin = bytes.NewReader(archive)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	command = exec.CommandContext(t.Context(), "xargs", "-0", "rm", "-rf")
	command.Dir, command.Stdin = to, bytes.NewReader(gone)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	got, want := treeOf(t, to), treeOf(t, from)
	delete(got, ".")
	delete(want, ".")
	same(t, got, want)
}

// TestWhatIsDamagedIsNotMarked: an archive that ends early, or is another one.
func TestWhatIsDamagedIsNotMarked(t *testing.T) {
	from := t.TempDir()
	everything(t, from)
	archive, gone, v := copyOf(t, from, func() { must(t, os.Remove(filepath.Join(from, "again"))) })
	whole := framed(archive, gone)
	for i := range 40 {
		to := t.TempDir()
		input := whole[:rand.IntN(len(whole))]
		if i%2 == 0 {
			input = bytes.Clone(whole)
			input[rand.IntN(len(input))] ^= 1 << rand.IntN(8)
		}
		if err := unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(input)); err == nil {
			// A flip that leaves every file as it was is none.
			same(t, treeOf(t, filepath.Join(to, hidden, newName)), treeOf(t, from))
		} else if found, err := lookInto(to); err != nil || found.Ready != "" {
			t.Errorf("%+v, %v", found, err)
		}
	}
	to := t.TempDir()
	if err := unpacked(t.Context(), to, "run", "another", bytes.NewReader(whole)); err == nil {
		t.Error("another tree is taken")
	}
	must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(whole)))
}

// TestArchivesDoNotLeaveTheVolume: a backup of strangers, as one that a key was lent for.
func TestArchivesDoNotLeaveTheVolume(t *testing.T) {
	base := t.TempDir()
	outside, secret, volume := filepath.Join(base, "outside"), filepath.Join(base, "outside", "secret"), filepath.Join(base, "in", "volume")
	must(t, errors.Join(os.MkdirAll(outside, 0o700), os.MkdirAll(volume, 0o700), os.WriteFile(secret, nil, 0o600)))
	const up = "../../../" // out of the folder in which it is unpacked, and of the volume
	for name, members := range map[string][]tar.Header{
		"absolute": {{Name: filepath.Join(outside, "f"), Typeflag: tar.TypeReg}},
		"up":       {{Name: up + "f", Typeflag: tar.TypeReg}},
		"by link":  {{Name: "l", Typeflag: tar.TypeSymlink, Linkname: outside}, {Name: "l/f", Typeflag: tar.TypeReg}},
		"link out": {{Name: "l", Typeflag: tar.TypeLink, Linkname: up + "../outside/secret"}},
	} {
		var out bytes.Buffer
		packed, err := zstd.NewWriter(&out)
		must(t, err)
		w := tar.NewWriter(packed)
		for _, head := range members {
			must(t, w.WriteHeader(&head))
		}
		must(t, errors.Join(w.Close(), packed.Close()))
		if err := unpacked(t.Context(), volume, "run", "", bytes.NewReader(framed(out.Bytes(), nil))); err == nil || strings.Contains(err.Error(), "has come out as") {
			t.Errorf("%s: taken, but for what it comes to: %v", name, err)
		}
		var s unix.Stat_t
		must(t, unix.Stat(secret, &s))
		left, _ := filepath.Glob(filepath.Join(base, "*", "*"))
		if !slices.Equal(left, []string{volume, secret}) || s.Nlink != 1 {
			t.Errorf("%s: there is %q, the secret has %d names", name, left, s.Nlink)
		}
	}
}

// TestASwapIsFinishedFromAnyPlace: as after a kill between any two renames.
func TestASwapIsFinishedFromAnyPlace(t *testing.T) {
	from := t.TempDir()
	everything(t, from)
	archive, gone, v := copyOf(t, from)
	want := treeOf(t, from)
	for range 30 {
		to := t.TempDir()
		for _, name := range []string{"convex", "old", "again"} { // some have the names of new ones
			must(t, os.WriteFile(filepath.Join(to, name), []byte("before"), 0o600))
		}
		must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(framed(archive, gone))))
		journal, err := beginSwap(to, "run")
		must(t, err)
		work := filepath.Join(to, hidden)
		must(t, os.MkdirAll(filepath.Join(work, beforeName), 0o700))
		steps := 0
		stop := rand.IntN(len(journal.Old) + len(journal.New) + 1)
		for _, name := range journal.Old {
			if steps++; steps <= stop {
				must(t, os.Rename(filepath.Join(to, string(name)), filepath.Join(work, beforeName, string(name))))
			}
		}
		for _, name := range journal.New {
			if steps++; steps <= stop {
				must(t, os.Rename(filepath.Join(work, newName, string(name)), filepath.Join(to, string(name))))
			}
		}
		if err := drop(to, true); err == nil {
			t.Fatal("a swap that has begun is dropped")
		}
		for range 2 {
			must(t, swap(to, "run"))
		}
		same(t, treeOf(t, to), want)
		if names, err := topOf(filepath.Join(work, beforeName)); err != nil || len(names) != 3 {
			t.Errorf("kept are %v, %v", names, err)
		}
	}
}

// TestFramesEndWhereTheySay: whatever the sizes of reads and writes.
func TestFramesEndWhereTheySay(t *testing.T) {
	content := make([]byte, 1<<16)
	for i := range content {
		content[i] = byte(rand.Int())
	}
	in := bytes.NewReader(framed(content, []byte("rest")))
	got, err := io.ReadAll(io.LimitReader(&framesReader{from: in}, 1<<20))
	rest, _ := io.ReadAll(in)
	if err != nil || !bytes.Equal(got, content) || string(rest) != "rest" {
		t.Errorf("%d bytes, %v, then %q", len(got), err, rest)
	}
}

// TestLeft: also what a killed unpack has left, which no mark tells of.
func TestLeft(t *testing.T) {
	root := t.TempDir()
	look := func() bool {
		found, err := lookInto(root)
		must(t, err)
		return Target{volume: found, databases: map[string]string{"tale": "", "tale_beforehand": ""}}.Left()
	}
	testkit.WriteTree(t, root, map[string]string{"db.sqlite3": "old"})
	if look() {
		t.Error("something of a volume that was never restored")
	}
	testkit.WriteTree(t, root, map[string]string{hidden + "/" + newName + "/half": ""})
	if !look() {
		t.Error("nothing of a killed unpack")
	}
	must(t, drop(root, true))
	if look() {
		t.Error("something is left of what was removed")
	}
	for _, database := range []string{"tale" + restoringEnding, "tale_before_20260101000000"} {
		if !(Target{databases: map[string]string{"tale": "", database: ""}}).Left() {
			t.Error("nothing of the database " + database)
		}
	}
}

// TestRunsHaveNamesOfTheirOwn: also where the clock was set back to the second of another.
func TestRunsHaveNamesOfTheirOwn(t *testing.T) {
	m := Manifest{Sum: "0123456789abcdef", Databases: []Database{{Name: "tale"}}}
	now, first, second := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "0123456789abcdef-20260102030405", "0123456789abcdef-20260102030406"
	for name, tt := range map[string]struct {
		target Target
		want   string
	}{
		"nothing is there":                      {Target{databases: map[string]string{"tale": ""}}, first},
		"a database is kept of then":            {Target{databases: map[string]string{"tale": "", "tale_before_20260102030405": ""}}, second},
		"the database is of one of then":        {Target{databases: map[string]string{"tale": first}}, second},
		"the volume is of one of then":          {Target{volume: state{Done: first}}, second},
		"one of then is not finished: it is it": {Target{volume: state{Ready: first}, databases: map[string]string{"tale": first}}, first},
	} {
		if got := tt.target.Run(m, now); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestWhatChangesBetweenPassesComesBack: what takes the place of folders, and files of two names
// that change between the looks at these.
func TestWhatChangesBetweenPassesComesBack(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after func(in func(string) string) error
	}{
		"a folder with folders becomes a file": {
			func(in func(string) string) error { return os.MkdirAll(in("d/below/more"), 0o755) },
			func(in func(string) string) error {
				return errors.Join(os.RemoveAll(in("d")), os.WriteFile(in("d"), []byte("a file now"), 0o600))
			},
		},
		"a folder with folders becomes a link": {
			func(in func(string) string) error { return os.MkdirAll(in("d/below/more"), 0o755) },
			func(in func(string) string) error {
				return errors.Join(os.RemoveAll(in("d")), os.Mkdir(in("e"), 0o700), os.Mkdir(in("e/below"), 0o700), os.Symlink("e", in("d")))
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := t.TempDir(), t.TempDir()
			in := func(name string) string { return filepath.Join(from, name) }
			must(t, tt.before(in))
			archive, gone, v := copyOf(t, from, func() { must(t, tt.after(in)) })
			must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(framed(archive, gone))))
			must(t, swap(to, "run"))
			same(t, treeOf(t, to), treeOf(t, from))
		})
	}
}

// TestAFileOfTwoNamesThatChangesInAPass is written anew by both names in the next one.
func TestAFileOfTwoNamesThatChangesInAPass(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	in := func(name string) string { return filepath.Join(from, name) }
	must(t, errors.Join(os.WriteFile(in("a"), []byte("first"), 0o600), os.Link(in("a"), in("z"))))
	var out bytes.Buffer
	packed, err := zstd.NewWriter(&out)
	must(t, err)
	c := newCopier(from, packed)
	s, err := look(in("a"))
	must(t, err)
	_, err = c.write("a", s, "", false, false)
	must(t, err)
	must(t, os.WriteFile(in("a"), []byte("second, and longer"), 0o600))
	s, err = look(in("z"))
	must(t, err)
	_, err = c.write("z", s, "a", true, false)
	must(t, err)
	for name, one := range c.seen { // as if it were seconds ago, for large files between the two
		one.unsure = false
		c.seen[name] = one
	}
	for range 2 {
		_, err = c.pass(t.Context(), true)
		must(t, err)
	}
	v, gone, err := c.end()
	must(t, errors.Join(err, packed.Close()))
	must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(framed(out.Bytes(), gone))))
	same(t, treeOf(t, filepath.Join(to, hidden, newName)), treeOf(t, from))
}

// TestWhatAVolumeHandsDownDoesNotStay: lists of rights that everything new in a folder gets.
func TestWhatAVolumeHandsDownDoesNotStay(t *testing.T) {
	const list = "\x02\x00\x00\x00" + "\x01\x00\x07\x00\xff\xff\xff\xff" + "\x04\x00\x05\x00\xff\xff\xff\xff" + "\x20\x00\x05\x00\xff\xff\xff\xff"
	for _, where := range []string{"the volume", "a folder of the backup"} {
		from, to := t.TempDir(), t.TempDir()
		everything(t, from)
		folder := to
		if where != "the volume" {
			folder = filepath.Join(from, "convex")
		}
		must(t, unix.Setxattr(folder, "system.posix_acl_default", []byte(list), 0))
		archive, gone, v := copyOf(t, from)
		must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(framed(archive, gone))))
		must(t, swap(to, "run"))
		same(t, treeOf(t, to), treeOf(t, from))
	}
}

// TestDatesThatAreFarAway: a file system may have such that do not fit into 64 bits of nanoseconds.
func TestDatesThatAreFarAway(t *testing.T) {
	for _, date := range []time.Time{time.Date(2400, 1, 2, 3, 4, 5, 6, time.UTC), time.Date(1910, 1, 2, 3, 4, 5, 6, time.UTC)} {
		from, to := t.TempDir(), t.TempDir()
		path := filepath.Join(from, "f")
		must(t, os.WriteFile(path, nil, 0o600))
		at := unix.Timespec{Sec: date.Unix(), Nsec: int64(date.Nanosecond())}
		must(t, unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{at, at}, 0))
		archive, gone, v := copyOf(t, from)
		must(t, unpacked(t.Context(), to, "run", v.Tree, bytes.NewReader(framed(archive, gone))))
		same(t, treeOf(t, filepath.Join(to, hidden, newName)), treeOf(t, from))
	}
}
