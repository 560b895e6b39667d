package assets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shelf is a store in a test, whose clock stands still.
type shelf struct {
	*testing.T
	*store
	log bytes.Buffer
	at  time.Time
}

func newShelf(t *testing.T, limit int64) *shelf {
	t.Helper()
	sh := &shelf{T: t, at: time.Now()}
	sh.open(t.TempDir(), limit)
	return sh
}

func (sh *shelf) open(dir string, limit int64) {
	sh.Helper()
	s, err := openStore(dir, limit, slog.New(slog.NewTextHandler(&sh.log, nil)))
	if err != nil {
		sh.Fatal(err)
	}
	s.now = func() time.Time { return sh.at }
	sh.store = s
}

// keep puts a script into the store.
func (sh *shelf) keep(path, text string) error {
	sh.Helper()
	return sh.keepKind(path, text, true)
}

func (sh *shelf) keepKind(path, text string, named bool) error {
	sh.Helper()
	return sh.keepWith(path, text, named, http.Header{"Content-Type": {"text/javascript"}, "Cache-Control": {"immutable"}})
}

func (sh *shelf) keepWith(path, text string, named bool, header http.Header) error {
	temp, err := sh.temporary()
	if err != nil {
		return sh.cannot(err)
	}
	defer discard(temp)
	counted := newSummed(temp)
	_, _ = io.WriteString(counted, text)
	f := newFile(record{Path: path, Header: header, Named: named, Forms: map[string]form{identity: counted.form()}}, sh.at)
	return sh.put(f, sh.find(path), map[string]*os.File{identity: temp})
}

func (sh *shelf) compress() {
	sh.Helper()
	for _, path := range sh.unfinished() {
		if err := (&compressor{store: sh.store}).finish(context.Background(), sh.find(path)); err != nil {
			sh.Fatal(err)
		}
	}
}

// read returns the bytes of each form, or an error.
func (sh *shelf) read(path string) (map[string]string, error) {
	f := sh.find(path)
	if f == nil {
		return nil, fs.ErrNotExist
	}
	forms := map[string]string{}
	for encoding, one := range f.Forms {
		c, err := sh.store.open(one)
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(c.reader())
		c.close()
		if err != nil {
			return nil, err
		}
		forms[encoding] = string(data)
	}
	return forms, nil
}

// onDiskNow returns what the folder takes, rounded as the store counts.
func (sh *shelf) onDiskNow() (n int64) {
	_ = filepath.WalkDir(sh.dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				n += onDisk(info.Size())
			}
		}
		return nil
	})
	return n
}

func name(i int) string { return fmt.Sprintf("/assets/x-Abcd%04d.js", i) }

var text = strings.Repeat("export function f(a, b) { return a + b }\n", 200)

func TestFilesSurviveARestart(t *testing.T) {
	sh := newShelf(t, 64<<20)
	large := strings.Repeat(text, 200) // more than is held in memory
	for path, text := range map[string]string{name(1): text, name(2): large} {
		if err := sh.keep(path, text); err != nil {
			t.Fatal(err)
		}
	}
	sh.compress()
	before, size := sh.find(name(1)), sh.size
	for range 2 {
		sh.open(sh.dir, 64<<20)
		for path, text := range map[string]string{name(1): text, name(2): large} {
			forms, err := sh.read(path)
			if err != nil || forms[identity] != text || len(forms) != 4 || !sh.find(path).Finished {
				t.Fatalf("%s: %d forms, %v", path, len(forms), err)
			}
		}
		if sh.size != size || sh.onDiskNow() > size {
			t.Errorf("it takes %d, counted as %d, before %d", sh.onDiskNow(), sh.size, size)
		}
	}
	if !sameHeader(before.record, sh.find(name(1)).record) {
		t.Error("the header is another one")
	}
}

// What a crash may leave: any file of the store cut at any length, or full of zeros.
func TestTornFilesAreForgotten(t *testing.T) {
	sh := newShelf(t, 64<<20)
	for i, text := range []string{"let a = 1", "let b = 2"} {
		if err := sh.keep(name(i), text); err != nil {
			t.Fatal(err)
		}
	}
	sh.compress()
	files, _ := filepath.Glob(filepath.Join(sh.dir, "*", "*"))
	if len(files) != 4 {
		t.Fatal(files)
	}
	for _, torn := range files {
		whole, err := os.ReadFile(torn)
		if err != nil {
			t.Fatal(err)
		}
		damaged := [][]byte{make([]byte, len(whole)), append(bytes.Clone(whole), 0)}
		for n := range whole {
			damaged = append(damaged, whole[:n])
		}
		for _, data := range damaged {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(sh.dir)); err != nil {
				t.Fatal(err)
			}
			rel, _ := filepath.Rel(sh.dir, torn)
			if err := os.WriteFile(filepath.Join(dir, rel), data, 0o600); err != nil {
				t.Fatal(err)
			}
			checkTorn(t, dir, rel, data)
		}
	}
}

func checkTorn(t *testing.T, dir, rel string, data []byte) {
	t.Helper()
	sh := &shelf{T: t, at: time.Now()}
	sh.open(dir, 64<<20)
	whole := 0
	for i, text := range []string{"let a = 1", "let b = 2"} {
		forms, err := sh.read(name(i))
		if err == nil && forms[identity] != text {
			t.Fatalf("%s with %d bytes: read %q", rel, len(data), forms[identity])
		}
		if err == nil {
			whole++
		}
		if len(data)%32 > 0 { // to write them all again takes long
			continue
		}
		if err := sh.keep(name(i), text); err != nil {
			t.Fatal(err)
		}
	}
	if whole == 0 {
		t.Fatalf("%s with %d bytes: nothing is left of the other file", rel, len(data))
	}
}

func TestDamageThatIsFoundLateIsForgotten(t *testing.T) {
	sh := newShelf(t, 64<<20)
	if err := sh.keep(name(1), text); err != nil {
		t.Fatal(err)
	}
	sh.open(sh.dir, 64<<20)
	f := sh.find(name(1))
	if err := os.WriteFile(sh.blob(f.Forms[identity].Sum), make([]byte, len(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sh.read(name(1)); !errors.Is(err, errDamaged) {
		t.Fatalf("zeros were read: %v", err)
	}
	if err := (&compressor{store: sh.store}).finish(t.Context(), f); !errors.Is(err, errDamaged) || sh.find(name(1)) != nil {
		t.Errorf("it stays: %v", err)
	}
}

func TestTheStoreStaysWithinItsLimit(t *testing.T) {
	const limit = 20 * (block + block + 2*block) // a record and a text of 8200 bytes
	sh := newShelf(t, limit)
	for i := range 100 {
		sh.at = sh.at.Add(keptAtLeast)
		if err := sh.keep(name(i), fmt.Sprint(i, text)); err != nil {
			t.Fatal(i, err)
		}
		if sh.onDiskNow() > limit || sh.size > limit {
			t.Fatalf("it takes %d, and believes %d, of %d", sh.onDiskNow(), sh.size, limit)
		}
		sh.find(name(0)).used.Store(sh.at.Unix()) // always asked for
	}
	if sh.find(name(99)) == nil || sh.find(name(1)) != nil || sh.find(name(0)) == nil {
		t.Error("it is not the least recently used that went")
	}
	if !strings.Contains(sh.log.String(), "do not fit") || strings.Count(sh.log.String(), "WARN") != 1 {
		t.Errorf("want one warning:\n%s", sh.log.String())
	}
	size := sh.size
	sh.open(sh.dir, limit)
	if sh.size != size {
		t.Errorf("after a restart it counts %d, before %d", sh.size, size)
	}
}

// Where more is in use than there is room for, going round would keep nothing and
// compress for ever.
func TestWhatIsInUseIsNotEvicted(t *testing.T) {
	const limit = 20 * 4 * block
	sh := newShelf(t, limit)
	refused := 0
	for i := range 60 {
		if err := sh.keep(name(i), fmt.Sprint(i, text)); errors.Is(err, errNoRoom) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if refused == 0 || sh.find(name(0)) == nil {
		t.Errorf("%d were refused", refused)
	}
}

// Pictures that visitors upload must not drive the parts of pages out.
func TestWhatOnlySaysThatItIsImmutableGoesFirst(t *testing.T) {
	const limit = 20 * 4 * block
	sh := newShelf(t, limit)
	if err := sh.keep(name(0), text); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		sh.at = sh.at.Add(keptAtLeast)
		if err := sh.keepKind(fmt.Sprintf("/picture/%d", i), fmt.Sprint(i, text), false); err != nil {
			t.Fatal(err)
		}
	}
	if sh.find(name(0)) == nil {
		t.Error("a part of pages went before a picture")
	}
}

// Nor must those that come all at once: a visitor can ask for a picture in every size.
func TestNewPicturesMakeRoomForParts(t *testing.T) {
	const limit = 20 * 4 * block
	sh := newShelf(t, limit)
	for i := 0; ; i++ {
		if err := sh.keepKind(fmt.Sprintf("/picture/%d", i), fmt.Sprint(i, text), false); errors.Is(err, errNoRoom) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		if err := sh.keep(name(i), fmt.Sprint(i, text)); err != nil {
			t.Fatalf("part %d of pages: %v", i, err)
		}
	}
	if err := sh.keepKind("/picture/new", text, false); !errors.Is(err, errNoRoom) {
		t.Errorf("a picture drives parts of pages out: %v", err)
	}
}

// Ever new names of small files take little of the disk, and would take all memory, again
// after each start.
func TestRecordsInMemoryAreBounded(t *testing.T) {
	sh := newShelf(t, 20<<20)
	long := http.Header{"Content-Type": {"text/javascript"}, "X-Long": {strings.Repeat("x", 6<<10)}}
	keep := func(i int) error { return sh.keepWith(fmt.Sprintf("/picture/%d", i), "tiny", false, long) }
	files := 0
	for err := keep(0); err == nil; err = keep(files) {
		files++
	}
	if sh.held > sh.mostHeld() || files < 100 || sh.size > sh.limit/4 {
		t.Errorf("%d files hold %d bytes of memory, of %d, and %d of the disk", files, sh.held, sh.mostHeld(), sh.size)
	}
	sh.at = sh.at.Add(keptAtLeast)
	if err := keep(files); err != nil || sh.held > sh.mostHeld() {
		t.Errorf("another one does not take the place of the oldest: %v, %d bytes", err, sh.held)
	}
	held := sh.held
	if sh.open(sh.dir, sh.limit); sh.held != held {
		t.Errorf("after a restart it counts %d, before %d", sh.held, held)
	}
	for path := range sh.files {
		sh.forget(sh.find(path))
	}
	if sh.held != 0 || sh.size != 0 {
		t.Errorf("of nothing it counts %d in memory and %d on disk", sh.held, sh.size)
	}
}

func TestAFolderThatFailsIsSaidOnceAndTriedAgain(t *testing.T) {
	sh := newShelf(t, 64<<20)
	if err := sh.keep(name(0), text); err != nil {
		t.Fatal(err)
	}
	away := sh.dir + ".away"
	if err := os.Rename(sh.blob(""), away); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := sh.keep(name(1), text); err == nil {
			t.Fatal("written to nowhere")
		}
	}
	if n := strings.Count(sh.log.String(), "WARN"); n != 1 {
		t.Errorf("%d warnings:\n%s", n, sh.log.String())
	}
	if err := os.Rename(away, sh.blob("")); err != nil {
		t.Fatal(err)
	}
	if err := sh.keep(name(1), text); !errors.Is(err, errPaused) {
		t.Errorf("tried again at once: %v", err)
	}
	sh.at = sh.at.Add(pauseAfterFailure)
	if err := sh.keep(name(1), text); err != nil {
		t.Error(err)
	}
	if !strings.Contains(sh.log.String(), "kept again") {
		t.Error(sh.log.String())
	}
}

// An answer of another version that came while the file was compressed must win.
func TestACompressedFormOfReplacedBytesIsDropped(t *testing.T) {
	sh := newShelf(t, 64<<20)
	if err := sh.keep(name(0), text); err != nil {
		t.Fatal(err)
	}
	before := sh.find(name(0))
	if err := sh.keep(name(0), "new"+text); err != nil {
		t.Fatal(err)
	}
	if err := sh.put(before.revised(before.record), before, nil); !errors.Is(err, errStale) {
		t.Errorf("the old record is back: %v", err)
	}
	if err := (&compressor{store: sh.store}).finish(t.Context(), before); err == nil {
		t.Error("the old bytes are back")
	}
	if forms, err := sh.read(name(0)); err != nil || forms[identity] != "new"+text {
		t.Errorf("got %.10q, %v", forms[identity], err)
	}
	if n, _ := filepath.Glob(filepath.Join(sh.dir, "blobs", "*")); len(n) != 1 {
		t.Errorf("left behind: %v", n)
	}
}

func TestWhatIsInMemoryIsBounded(t *testing.T) {
	sh := newShelf(t, 64<<20)
	for i := range 40 {
		if err := sh.keep(name(i), fmt.Sprint(i)+strings.Repeat("x", cacheable-10)); err != nil {
			t.Fatal(err)
		}
		if _, err := sh.read(name(i)); err != nil {
			t.Fatal(err)
		}
		if sh.cached > cacheLimit {
			t.Fatalf("%d bytes are held", sh.cached)
		}
	}
	held := int64(0)
	for _, b := range sh.blobs {
		held += int64(len(b.data))
	}
	if held != sh.cached || held < cacheLimit/2 {
		t.Errorf("%d are held, counted as %d", held, sh.cached)
	}
}

func TestTheQueueHasEachJobOnceAndAnEnd(t *testing.T) {
	q := newQueue[int]()
	for range 2 {
		for i := range queueLimit + 10 {
			q.add(i)
		}
	}
	for i := range queueLimit {
		if got, ok := q.next(t.Context()); got != i || !ok {
			t.Fatalf("job %d: %d, %v", i, got, ok)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := q.next(ended); ok || !q.empty() {
		t.Error("something is left")
	}
}

func TestAllTextsOfARecordCountAsMemory(t *testing.T) {
	long := strings.Repeat("x", 1000)
	for name, r := range map[string]record{"path": {Path: long}, "ETag": {Tag: long}, "header": {Header: http.Header{"X": {long}}}} {
		if got := r.held() - (record{}).held(); got < int64(len(long)) {
			t.Errorf("%s of %d bytes: %d are counted", name, len(long), got)
		}
	}
}
