// Package volumetest makes folders that hold everything a file system knows, and compares
// two of them. It shares no code with what copies volumes, which it is to judge.
package volumetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Names of files that are hard to live with; each is used for a file, a folder and a link.
var names = []string{
	"plain", " space ", "-rf", "new\nline", "tab\t", "\xff\xfe invalid", "*", "$(reboot)", `back\slash`, `"quoted"`, "'", "...", ".hidden", "ümlaut", "日本語",
	strings.Repeat("n", 255), ".tale-copy-lookalike", ".tale-copy-lookalike.7", "lost+found",
}

// Make fills a folder that is there. The same seed makes the same tree; files is how many
// ordinary ones there are besides one of everything odd. It must be root's.
func Make(t testing.TB, root string, seed uint64, files int) {
	t.Helper()
	m := &maker{root: root, random: rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // the same each time
	m.ordinary(files)
	m.odd()
	m.sparse()
	m.deep()
	m.links()
	m.attributes()
	m.dates()
	if m.err != nil {
		t.Fatal(m.err)
	}
}

type maker struct {
	root   string
	random *rand.Rand
	err    error
}

func (m *maker) note(err error) { m.err = errors.Join(m.err, err) }

func (m *maker) path(name ...string) string {
	return filepath.Join(append([]string{m.root}, name...)...)
}

func (m *maker) folder(name ...string) string {
	path := m.path(name...)
	m.note(os.MkdirAll(path, 0o755)) //nolint:gosec // a service's own
	return path
}

func (m *maker) file(size int, name ...string) string {
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(m.random.Uint32())
	}
	path := m.path(name...)
	m.note(os.WriteFile(path, content, 0o644)) //nolint:gosec // a service's own
	return path
}

func (m *maker) ordinary(files int) {
	for n := range files {
		in := fmt.Sprintf("f%d/g%d", n%7, n%11)
		m.folder(in)
		size := []int{0, 1, 4095, 4096, 4097, m.random.IntN(100_000), m.random.IntN(2000)}[m.random.IntN(7)]
		path := m.file(size, in, fmt.Sprintf("file%d", n))
		m.note(os.Chown(path, m.random.IntN(3)*1000, m.random.IntN(70000)))
	}
	m.file(3<<20, "large")
}

func (m *maker) odd() {
	m.folder("odd")
	m.folder("empty")
	for n, name := range names {
		m.file(100+n, "odd", name)
		m.folder("odd folders", name, "inside")
		m.file(n, "odd folders", name, "file")
		m.note(os.Symlink(name, m.path("odd folders", fmt.Sprintf("link%d", n))))
	}
	m.file(10, ".tale-copy-lookalike")
	m.file(10, "odd", ".tale-migration-complete")
	for mode := range map[uint32]bool{0: true, 0o4755: true, 0o2755: true, 0o1644: true, 0o7777: true, 0o400: true} {
		m.note(unix.Chmod(m.file(50, "odd", fmt.Sprintf("mode%o", mode)), mode))
		m.note(os.Chown(m.file(50, "odd", fmt.Sprintf("owned mode%o", mode)), 70, 70))
		m.note(unix.Chmod(m.path("odd", fmt.Sprintf("owned mode%o", mode)), mode))
		m.file(50, filepath.Base(m.folder(fmt.Sprintf("mode%o", mode))), "inside")
		m.note(unix.Chmod(m.path(fmt.Sprintf("mode%o", mode)), mode))
	}
	m.note(unix.Mkfifo(m.path("odd", "fifo"), 0o640))
	m.note(unix.Mknod(m.path("odd", "socket"), unix.S_IFSOCK|0o600, 0))
	m.note(unix.Mknod(m.path("odd", "character"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))))
	m.note(unix.Mknod(m.path("odd", "block"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 200))))
	for name, to := range map[string]string{"loop a": "loop b", "loop b": "loop a", "self": "self", "dangling": "/nowhere", "up": "../..", "long": strings.Repeat("x/", 2000)} {
		m.note(os.Symlink(to, m.path("odd", name)))
	}
	m.note(os.Lchown(m.path("odd", "dangling"), 12, 34))
}

// sparse makes files with holes at each place.
func (m *maker) sparse() {
	m.folder("sparse")
	const step = 1 << 20
	for name, parts := range map[string][]int64{"all": nil, "begin": {5}, "end": {0}, "middle": {0, 7}, "many": {1, 3, 5, 7, 9, 11}} {
		file, err := os.Create(m.path("sparse", name))
		if err != nil {
			m.note(err)
			continue
		}
		for _, at := range parts {
			part := make([]byte, 1+m.random.IntN(20_000))
			part[0], part[len(part)-1] = 1, 1
			_, err := file.WriteAt(part, at*step+m.random.Int64N(10_000))
			m.note(err)
		}
		m.note(errors.Join(file.Truncate(12*step+123), file.Close()))
	}
	m.note(os.WriteFile(m.path("sparse", "zeros, no hole"), make([]byte, 100_000), 0o600))
}

// deep makes a path that no system call takes as a whole.
func (m *maker) deep() {
	root, err := os.OpenRoot(m.root)
	if err != nil {
		m.note(err)
		return
	}
	defer func() { _ = root.Close() }()
	path := "deep"
	for range 60 {
		m.note(root.Mkdir(path, 0o750))
		path += "/" + strings.Repeat("d", 100)
	}
	m.note(root.Mkdir(path, 0o700))
	file, err := root.Create(path + "/file")
	if err != nil {
		m.note(err)
		return
	}
	_, err = file.WriteString("deep down")
	m.note(errors.Join(err, file.Close(), root.Link(path+"/file", "deep/link to the deepest"), root.Link("odd/plain", path+"/link from the deepest")))
}

func (m *maker) links() {
	one := m.file(5000, "one of many")
	for n := range 5 {
		m.folder("links", fmt.Sprint(n))
		m.note(os.Link(one, m.path("links", fmt.Sprint(n), "another")))
	}
	m.note(os.Link(m.path("odd", "dangling"), m.path("links", "symbolic")))
	m.note(os.Link(m.path("odd", "fifo"), m.path("links", "fifo")))
	m.note(os.Link(m.path("sparse", "middle"), m.path("links", "sparse")))
}

func (m *maker) attributes() {
	m.folder("attributes")
	set := func(name, attribute, value string) {
		m.note(unix.Lsetxattr(m.path("attributes", name), attribute, []byte(value), 0))
	}
	for _, name := range []string{"user", "capable", "listed"} {
		m.note(os.Chown(m.file(10, "attributes", name), 1000, 1000))
	}
	set("user", "user.comment", "a\x00b")
	set("user", "user.empty", "")
	set("user", "user.long", strings.Repeat("v", 1500))
	set("capable", "security.capability", "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	// For the owner, user 1000, the group, the mask and others, as in acl(5).
	list := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\xe8\x03\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" + "\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	set("listed", "system.posix_acl_access", list)
	m.folder("attributes", "handing down", "inside")
	m.file(10, "attributes", "handing down", "file")
	set("handing down", "system.posix_acl_default", list)
	set("handing down", "user.of a folder", "x")
}

func (m *maker) dates() {
	m.folder("dates")
	for name, date := range map[string]time.Time{
		"1965": time.Date(1965, 3, 4, 5, 6, 7, 123456789, time.UTC), "before zero": time.Unix(-1, 999999999), "zero": time.Unix(0, 0),
		"2100": time.Date(2100, 1, 1, 0, 0, 0, 1, time.UTC), "tomorrow": time.Now().Add(24 * time.Hour),
	} {
		for _, path := range []string{m.file(10, "dates", name), m.folder("dates", "folder "+name)} {
			m.note(os.Chtimes(path, date, date))
		}
		link := m.path("dates", "link "+name)
		when := unix.NsecToTimespec(date.UnixNano())
		m.note(errors.Join(os.Symlink("x", link), unix.UtimesNanoAt(unix.AT_FDCWD, link, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)))
	}
	m.note(os.Chtimes(m.root, time.Unix(1e9, 7), time.Unix(1e9, 7)))
}
