package assets

import (
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// pauseAfterFailure is how long nothing is written after a write has failed.
const pauseAfterFailure = time.Minute

var (
	errStale  = errors.New("it has been replaced meanwhile")
	errPaused = errors.New("the folder could not be written a moment ago")
)

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
	if err := errors.Join(os.Chtimes(name, used, used), atomicfile.SyncFolder(s.index("")), atomicfile.SyncFolder(s.blob(""))); err != nil {
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
