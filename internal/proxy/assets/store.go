package assets

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// day is how long pages of an old version must find their parts.
	day = 24 * time.Hour
	// keptAtLeast is how long a file stays, however many others come: where more is in
	// use than there is room for, it is better to keep some files than to go round.
	keptAtLeast = 10 * time.Minute
	// pauseAfterFailure is how long nothing is written after a write has failed.
	pauseAfterFailure = time.Minute
)

var (
	errNoRoom = errors.New("there is no room that is not in use")
	errStale  = errors.New("it has been replaced meanwhile")
	errPaused = errors.New("the folder could not be written a moment ago")
)

// store is a folder of files with an index. Two folders are below it: `blobs` has
// the bytes, by their SHA-256; `index` has a record for each path. Both are written
// beside their place, synced and renamed. What is not whole after a crash is
// removed when it is met.
//
// Readers never wait for the disk: mu guards the maps only. Writers take turns.
type store struct {
	dir   string
	limit int64
	log   *slog.Logger
	now   func() time.Time

	mu     sync.RWMutex
	files  map[string]*file
	blobs  map[string]*blob
	size   int64 // on disk, in bytes
	cached int64 // in memory

	writing sync.Mutex
	failed  time.Time // the last time that a write did; guarded by writing
	short   bool      // it was said that a day does not fit; likewise
}

// openStore reads the index of a folder, which it makes if it is not there.
func openStore(dir string, limit int64, log *slog.Logger) (*store, error) {
	s := &store{dir: dir, limit: limit, log: log, now: time.Now, files: map[string]*file{}, blobs: map[string]*blob{}}
	for _, folder := range []string{s.index(""), s.blob("")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, err
		}
	}
	if err := s.readIndex(); err != nil {
		return nil, err
	}
	return s, s.sweep()
}

func (s *store) index(name string) string { return filepath.Join(s.dir, "index", name) }
func (s *store) blob(sum string) string   { return filepath.Join(s.dir, "blobs", sum) }

func (s *store) readIndex() error {
	entries, err := os.ReadDir(s.index(""))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := s.index(entry.Name())
		info, err := entry.Info()
		if err != nil {
			continue
		}
		r, err := record{}, errDamaged
		if info.Mode().IsRegular() { // a pipe would be waited for
			r, err = readRecord(name)
		}
		if err == nil {
			err = s.whole(r)
		}
		if err != nil {
			s.log.Debug("asset forgotten", "record", name, "error", err)
			if err := os.RemoveAll(name); err != nil {
				return err
			}
			continue
		}
		s.place(newFile(r, info.ModTime()))
	}
	return nil
}

// whole reports a form of which not all is there. That the bytes are right is found
// out when they are first used.
func (s *store) whole(r record) error {
	for _, f := range r.Forms {
		if info, err := os.Lstat(s.blob(f.Sum)); err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
			return fmt.Errorf("blob %s is not whole", f.Sum)
		}
	}
	return nil
}

// sweep removes blobs of which no record knows.
func (s *store) sweep() error {
	entries, err := os.ReadDir(s.blob(""))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if s.blobs[entry.Name()] == nil {
			if err := os.RemoveAll(s.blob(entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// find returns what is kept for a path, or nil.
func (s *store) find(path string) *file {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.files[path]
}

// unfinished returns the files that are still to be compressed.
func (s *store) unfinished() (paths []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for path, f := range s.files {
		if !f.Finished {
			paths = append(paths, path)
		}
	}
	return paths
}

// put keeps a file, whose new forms are in temporary files by encoding, in the place
// of old, which is nil if there was none.
func (s *store) put(f, old *file, temporary map[string]*os.File) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.find(f.Path) != old {
		return errStale
	}
	if s.now().Sub(s.failed) < pauseAfterFailure {
		return errPaused
	}
	if err := s.makeRoom(f); err != nil {
		return err
	}
	err := s.write(f, temporary)
	if err != nil {
		s.unlink(s.unknown(f))
	}
	s.wrote(err)
	return err
}

// cannot notes that the folder cannot be written to.
func (s *store) cannot(err error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.wrote(err)
	return err
}

// wrote says once that the folder cannot be written to, and once that it can again.
func (s *store) wrote(err error) {
	switch {
	case err == nil && !s.failed.IsZero():
		s.failed = time.Time{}
		s.log.Info("assets are kept again", "folder", s.dir)
	case err != nil:
		if s.failed.IsZero() {
			s.log.Warn("assets are not kept any more", "folder", s.dir, "retry", pauseAfterFailure, "error", err)
		}
		s.failed = s.now()
	}
}

func (s *store) write(f *file, temporary map[string]*os.File) error {
	for encoding, blob := range temporary {
		if err := commit(blob, s.blob(f.Forms[encoding].Sum)); err != nil {
			return err
		}
	}
	data, err := json.Marshal(f.record)
	if err != nil {
		return err
	}
	name := s.index(nameOf(f.Path))
	temp, err := s.temporary()
	if err != nil {
		return err
	}
	defer discard(temp)
	if _, err := temp.Write(data); err != nil {
		return err
	}
	if err := commit(temp, name); err != nil {
		return err
	}
	used := time.Unix(f.used.Load(), 0)
	if err := errors.Join(os.Chtimes(name, used, used), syncFolder(s.index("")), syncFolder(s.blob(""))); err != nil {
		return err
	}
	s.replace(f)
	return nil
}

// unknown returns the blobs of a file that was not written that nothing else uses.
func (s *store) unknown(f *file) (sums []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, one := range f.Forms {
		if s.blobs[one.Sum] == nil {
			sums = append(sums, one.Sum)
		}
	}
	return sums
}

// temporary returns a file that commit can put into its place.
func (s *store) temporary() (*os.File, error) { return os.CreateTemp(s.blob(""), ".new-*") }

func commit(temp *os.File, name string) error {
	if err := temp.Sync(); err != nil {
		return err
	}
	return os.Rename(temp.Name(), name)
}

// discard closes a temporary file, and removes it unless it was committed.
func discard(temp *os.File) {
	_ = temp.Close()
	_ = os.Remove(temp.Name())
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	return folder.Sync()
}

// replace makes f what its path has.
func (s *store) replace(f *file) {
	s.mu.Lock()
	old := s.files[f.Path]
	var gone []string
	s.place(f)
	if old != nil {
		gone = s.release(old)
	}
	s.mu.Unlock()
	s.unlink(gone)
}

// place counts the file and its blobs. The caller has the lock.
func (s *store) place(f *file) {
	s.files[f.Path] = f
	s.size += block
	for _, one := range f.Forms {
		b := s.blobs[one.Sum]
		if b == nil {
			b = &blob{size: one.Size}
			s.blobs[one.Sum] = b
			s.size += onDisk(one.Size)
		}
		b.users++
	}
}

// release takes the file out of the count, and returns the blobs that nothing uses
// any more. The caller has the lock.
func (s *store) release(f *file) (gone []string) {
	s.size -= block
	for _, one := range f.Forms {
		b := s.blobs[one.Sum]
		if b.users--; b.users == 0 {
			delete(s.blobs, one.Sum)
			s.size -= onDisk(b.size)
			s.cached -= int64(len(b.data))
			gone = append(gone, one.Sum)
		}
	}
	return gone
}

func (s *store) unlink(sums []string) {
	for _, sum := range sums {
		if err := os.Remove(s.blob(sum)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.log.Debug("asset not removed", "blob", sum, "error", err)
		}
	}
}

// forget removes a file that is still the one of its path.
func (s *store) forget(f *file) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.remove(f)
}

func (s *store) remove(f *file) {
	s.mu.Lock()
	if s.files[f.Path] != f {
		s.mu.Unlock()
		return
	}
	delete(s.files, f.Path)
	gone := s.release(f)
	s.mu.Unlock()
	if err := os.Remove(s.index(nameOf(f.Path))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Debug("asset not removed", "path", f.Path, "error", err)
	}
	s.unlink(gone)
}

// makeRoom removes files until f fits: those that only say of themselves that they are
// immutable first, and of both kinds those that were not asked for for the longest.
func (s *store) makeRoom(f *file) error {
	needs, victims := s.plan(f)
	if needs > 0 {
		return errNoRoom
	}
	for _, v := range victims {
		if unused := s.now().Sub(time.Unix(v.used.Load(), 0)); v.Named && unused < day && !s.short {
			s.short = true
			s.log.Warn("assets of a day do not fit; parts of pages may be missing after a switch", "setting", "ASSETS_CACHE", "unused", unused)
		}
		s.remove(v)
	}
	return nil
}

// plan returns what is to be removed before f is written, and how much room is
// missing even then.
func (s *store) plan(f *file) (needs int64, victims []*file) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	needs = s.size + block - s.limit
	for _, one := range f.Forms {
		if s.blobs[one.Sum] == nil {
			needs += onDisk(one.Size)
		}
	}
	if needs <= 0 {
		return 0, nil
	}
	latest := s.now().Add(-keptAtLeast).Unix()
	all := make([]*file, 0, len(s.files))
	for _, one := range s.files {
		if one.Path != f.Path && one.used.Load() <= latest {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b *file) int {
		if a.Named != b.Named {
			if b.Named {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.used.Load(), b.used.Load())
	})
	for _, one := range all {
		if needs <= 0 {
			break
		}
		victims = append(victims, one)
		needs -= s.frees(one)
	}
	return needs, victims
}

// frees returns how much room a file takes that no other has a part in.
func (s *store) frees(f *file) int64 {
	n := int64(block)
	for _, one := range f.Forms {
		if b := s.blobs[one.Sum]; b.users == 1 {
			n += onDisk(one.Size)
		}
	}
	return n
}

// saveUse writes down when a file was last asked for, once an hour.
func (s *store) saveUse(f *file, before, now time.Time) {
	if now.Sub(before) > time.Hour {
		_ = os.Chtimes(s.index(nameOf(f.Path)), now, now)
	}
}
