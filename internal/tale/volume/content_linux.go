package volume

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const (
	page      = 4 << 10
	chunkSize = 256 << 10
)

var zeros [page]byte

// content is the SHA-256 of what a file says. A page of zeros counts for nothing, so that
// it makes no difference whether it is a hole, and a terabyte of holes takes no time;
// where what follows it is, does.
type content struct {
	hash hash.Hash
	next int64
}

func newContent() *content { return &content{hash: sha256.New()} }

// add takes a chunk that begins on a page.
func (c *content) add(at int64, chunk []byte) {
	for len(chunk) > 0 {
		zero := 0
		for zero < len(chunk) && isZero(chunk[zero:min(zero+page, len(chunk))]) {
			zero += page
		}
		zero = min(zero, len(chunk))
		at, chunk = at+int64(zero), chunk[zero:]
		full := 0
		for full < len(chunk) && !isZero(chunk[full:min(full+page, len(chunk))]) {
			full += page
		}
		full = min(full, len(chunk))
		if full == 0 {
			return
		}
		if at != c.next {
			_ = binary.Write(c.hash, binary.LittleEndian, at) // a hash takes everything
		}
		_, _ = c.hash.Write(chunk[:full])
		at, chunk = at+int64(full), chunk[full:]
		c.next = at
	}
}

func isZero(part []byte) bool { return bytes.Equal(part, zeros[:len(part)]) }

func (c *content) sum() (s [sha256.Size]byte) {
	c.hash.Sum(s[:0])
	return s
}

// read passes on all chunks of a file that are no holes, each from the beginning of a page.
func read(ctx context.Context, file *os.File, s *unix.Stat_t, buffer []byte, do func(at int64, chunk []byte) error) error {
	for at := int64(0); at < s.Size; {
		begin, end, err := data(file, s, at)
		if err != nil {
			return err
		}
		for at = begin; at < end; {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n, err := file.ReadAt(buffer[:min(int64(len(buffer)), end-at)], at)
			if n == 0 && errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if err := do(at, buffer[:n]); err != nil {
				return err
			}
			at += int64(n)
		}
	}
	return nil
}

// data finds the next part of a file that is no hole, grown to whole pages; at the end of
// the file there is none. A small file without holes is not asked.
func data(file *os.File, s *unix.Stat_t, at int64) (begin, end int64, err error) {
	if s.Size < chunkSize && s.Blocks*512 >= s.Size {
		return at, s.Size, nil
	}
	begin, err = unix.Seek(int(file.Fd()), at, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return s.Size, s.Size, nil
	case errors.Is(err, unix.EINVAL): // a file system that does not know
		return at, s.Size, nil
	case err != nil:
		return 0, 0, err
	}
	end, err = unix.Seek(int(file.Fd()), begin, unix.SEEK_HOLE)
	if err != nil {
		return 0, 0, err
	}
	begin = max(at, begin/page*page)
	return begin, min(s.Size, (end+page-1)/page*page), nil
}
