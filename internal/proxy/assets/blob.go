package assets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

const (
	// cacheable is the largest blob, and cacheLimit all of them, that are held in
	// memory. The parts of a page, compressed, are a megabyte or two.
	cacheable  = 512 << 10
	cacheLimit = 8 << 20
)

// blob is what is known of the bytes with one SHA-256. The store's lock guards it.
type blob struct {
	size  int64
	users int  // forms that have it
	sound bool // its bytes were looked at, in this process
	data  []byte
}

// errDamaged is met after a crash, or where something else has written to the folder.
var errDamaged = errors.New("its bytes are not those that were kept")

// content is the bytes of a form: in memory, or as a file that is to be closed.
type content struct {
	data []byte
	file *os.File
}

func (c content) reader() io.ReadSeeker {
	if c.file != nil {
		return c.file
	}
	return bytes.NewReader(c.data)
}

func (c content) close() {
	if c.file != nil {
		_ = c.file.Close()
	}
}

// open returns the bytes of a form, checked when they are first used.
func (s *store) open(f form) (content, error) {
	s.mu.RLock()
	b := s.blobs[f.Sum]
	var data []byte
	sound := false
	if b != nil {
		data, sound = b.data, b.sound
	}
	s.mu.RUnlock()
	if data != nil {
		return content{data: data}, nil
	}
	on, err := os.Open(s.blob(f.Sum))
	if err != nil {
		return content{}, err
	}
	if f.Size <= cacheable {
		defer func() { _ = on.Close() }()
		return s.load(f, on)
	}
	if !sound {
		err = s.check(f, on)
	}
	if err != nil {
		_ = on.Close()
		return content{}, err
	}
	return content{file: on}, nil
}

func (s *store) load(f form, from io.Reader) (content, error) {
	data := make([]byte, f.Size)
	if _, err := io.ReadFull(from, data); err != nil {
		return content{}, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.Sum {
		return content{}, errDamaged
	}
	s.cache(f.Sum, data)
	return content{data: data}, nil
}

func (s *store) check(f form, from io.ReadSeeker) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, from); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.Sum {
		return errDamaged
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.blobs[f.Sum]; b != nil {
		b.sound = true
	}
	_, err := from.Seek(0, io.SeekStart)
	return err
}

// cache holds data in memory, in the place of whichever others.
func (s *store) cache(sum string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.blobs[sum]
	if b == nil || b.data != nil {
		return
	}
	b.sound, b.data = true, data
	s.cached += int64(len(data))
	for _, other := range s.blobs {
		if s.cached <= cacheLimit {
			return
		}
		if other != b {
			s.cached -= int64(len(other.data))
			other.data = nil
		}
	}
}
