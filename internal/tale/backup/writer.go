package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"
)

// PartSize is the most that a member of the file holds.
const PartSize = 8 << 20

// Writer writes the file, one stream after the other.
type Writer struct {
	tar     *tar.Writer
	time    time.Time
	streams []Stream
}

// NewWriter returns a writer whose members bear a date.
func NewWriter(to io.Writer, moment time.Time) *Writer {
	return &Writer{tar: tar.NewWriter(to), time: moment.Truncate(time.Second)}
}

// Stream begins a stream of any length. It is closed before the next one begins.
func (w *Writer) Stream(name string) io.WriteCloser {
	return &streamWriter{to: w, stream: Stream{Name: name, Parts: []Part{}}}
}

// File writes a stream that is one member.
func (w *Writer) File(name string, content []byte) error {
	part, err := w.part(name, content)
	w.streams = append(w.streams, Stream{Name: name, Parts: []Part{part}})
	return err
}

// Close writes the manifest, and with it makes the file whole.
func (w *Writer) Close(m Manifest) (Manifest, error) {
	m.Format, m.Streams = formVersion, w.streams
	m = m.sealed()
	_, err := w.part(manifestName, m.encode())
	return m, errors.Join(err, w.tar.Close())
}

func (w *Writer) part(name string, content []byte) (Part, error) {
	err := w.tar.WriteHeader(header(name, int64(len(content)), w.time))
	if err == nil {
		_, err = w.tar.Write(content)
	}
	sum := sha256.Sum256(content)
	return Part{Name: name, Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}, err
}

// header returns that of a member: of the oldest format that can say it.
func header(name string, size int64, moment time.Time) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: moment}
}

// streamWriter cuts what is written into parts.
type streamWriter struct {
	to     *Writer
	stream Stream
	buffer []byte
}

func (s *streamWriter) Write(some []byte) (int, error) {
	written := len(some)
	for len(some) > 0 {
		if s.buffer == nil {
			s.buffer = make([]byte, 0, PartSize)
		}
		n := min(len(some), PartSize-len(s.buffer))
		s.buffer, some = append(s.buffer, some[:n]...), some[n:]
		if len(s.buffer) == PartSize {
			if err := s.flush(); err != nil {
				return written - len(some), err
			}
		}
	}
	return written, nil
}

func (s *streamWriter) flush() error {
	part, err := s.to.part(fmt.Sprintf("%s.%06d", s.stream.Name, len(s.stream.Parts)), s.buffer)
	s.stream.Parts, s.buffer = append(s.stream.Parts, part), s.buffer[:0]
	return err
}

func (s *streamWriter) Close() (err error) {
	if len(s.buffer) > 0 {
		err = s.flush()
	}
	s.to.streams = append(s.to.streams, s.stream)
	return err
}
