package assets

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
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
	cached int64 // of blobs, in memory
	held   int64 // of records, in memory

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
	s.held += f.held()
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
	s.held -= f.held()
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

// saveUse writes down when a file was last asked for, once an hour.
func (s *store) saveUse(f *file, before, now time.Time) {
	if now.Sub(before) > time.Hour {
		_ = os.Chtimes(s.index(nameOf(f.Path)), now, now)
	}
}
