package backup

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// unpacking is a helper that is sent the content of the volume in frames: a length and so
// many bytes each, and an empty one at the end, behind which come the names that are gone.
type unpacking struct {
	to   *io.PipeWriter
	done chan error
}

func (r Restore) beginUnpacking(ctx context.Context) *unpacking {
	in, to := io.Pipe()
	u := &unpacking{to: to, done: make(chan error, 1)}
	go func() {
		ctx, stop := r.watched(ctx)
		defer stop()
		var full *int64
		err := r.helper(ctx, []string{unpackVerb, r.Run, r.Manifest.Volume.Tree}, in, func(m message) error {
			full = m.Full
			if left := m.Left.String(); left != "" && r.Server.Warn != nil {
				r.Server.Warn("not restored are " + left)
			}
			return nil
		})
		if all := r.Manifest.Volume.Bytes; err != nil && full != nil {
			err = exit.Errorf(exit.Failure, "the disk of the volume %s is full: %s of %s are still to come; make room, `tale restore --discard-old` and `tale cleanup` remove what is not needed, and run the same command again: %w",
				r.Volume, humanize.Bytes(uint64(max(0, all-*full))), humanize.Bytes(uint64(all)), err)
		}
		u.done <- err
		_ = in.CloseWithError(err)
	}()
	return u
}

func (u *unpacking) send(content io.Reader) error {
	_, err := copyBuffered(&framesWriter{u.to}, content)
	return u.first(err)
}

func (u *unpacking) sendGone(gone []byte) error {
	_, err := u.to.Write(binary.BigEndian.AppendUint32(nil, 0))
	if err == nil {
		_, err = u.to.Write(gone)
	}
	return u.first(err)
}

// first prefers what the helper says of an end that it has caused.
func (u *unpacking) first(err error) error {
	if err == nil {
		return nil
	}
	select {
	case said := <-u.done:
		u.done <- said
		if said != nil {
			return said
		}
	case <-time.After(5 * time.Second): // it goes on reading, so that it is not the cause
	}
	return err
}

// end waits for the helper; an error breaks its input off.
func (u *unpacking) end(err error) error {
	if err != nil {
		_ = u.to.CloseWithError(err)
		return errors.Join(err, ignore(<-u.done))
	}
	_ = u.to.Close()
	return <-u.done
}

// ignore drops what a helper says that was broken off.
func ignore(error) error { return nil }

type framesWriter struct{ to io.Writer }

func (f *framesWriter) Write(some []byte) (int, error) {
	if _, err := f.to.Write(binary.BigEndian.AppendUint32(nil, uint32(len(some)))); err != nil {
		return 0, err
	}
	return f.to.Write(some)
}

// framesReader reads what framesWriter has written, up to the empty frame.
type framesReader struct {
	from  io.Reader
	left  uint32
	ended bool
}

func (f *framesReader) Read(into []byte) (int, error) {
	for f.left == 0 && !f.ended {
		if err := binary.Read(f.from, binary.BigEndian, &f.left); err != nil {
			return 0, io.ErrUnexpectedEOF // tale has ended
		}
		f.ended = f.left == 0
	}
	if f.ended {
		return 0, io.EOF
	}
	n, err := f.from.Read(into[:min(uint32(len(into)), f.left)])
	f.left -= uint32(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
