package clidriver

import (
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
)

// passingScan looks through a body while it passes, without holding it.
type passingScan[T any] struct {
	pipe *io.PipeWriter
	done chan scanned[T]
}

type scanned[T any] struct {
	found T
	err   error
}

func scanPassing[T any](scan func(io.Reader) (T, error)) *passingScan[T] {
	r, w := io.Pipe()
	s := &passingScan[T]{pipe: w, done: make(chan scanned[T], 1)}
	go func() {
		found, err := scan(r)
		_ = r.CloseWithError(io.ErrClosedPipe) // what follows is not waited for
		s.done <- scanned[T]{found, err}
	}()
	return s
}

func (s *passingScan[T]) write(p []byte) { _, _ = s.pipe.Write(p) }

// finish ends the body where it is and returns what the scan found. It is called
// once.
func (s *passingScan[T]) finish() (T, error) {
	_ = s.pipe.Close()
	result := <-s.done
	return result.found, result.err
}

// decoded returns scan for a body of a content encoding.
func decoded[T any](encoding string, scan func(io.Reader) (T, error)) func(io.Reader) (T, error) {
	return func(r io.Reader) (found T, err error) {
		switch encoding {
		case "", "identity":
			return scan(r)
		case "br":
			return scan(brotli.NewReader(r))
		}
		return found, fmt.Errorf("cannot read a body in the encoding %q", encoding)
	}
}
