package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Verify reads a whole file and returns its manifest: every byte of it is what Writer
// has written, and nothing is missing, added or out of order.
func Verify(from io.Reader) (Manifest, error) {
	read, written := sha256.New(), sha256.New()
	in := tar.NewReader(io.TeeReader(from, read))
	again := tar.NewWriter(written) // also headers and padding are to be as they were
	var found []Part
	for {
		head, err := in.Next()
		if errors.Is(err, io.EOF) {
			return Manifest{}, damaged("it has no manifest, so that it is cut, or was never finished")
		}
		if err != nil && len(found) == 0 {
			return Manifest{}, damaged("it does not begin as a backup, so that it may be another file")
		}
		if err != nil {
			return Manifest{}, unreadable(err)
		}
		if head.Name == manifestName {
			return verifyEnd(from, in, head, found, read, written, again)
		}
		if head.Typeflag != tar.TypeReg || head.Size > PartSize {
			return Manifest{}, damaged(fmt.Sprintf("%q is no part of a backup", head.Name))
		}
		part, err := copyPart(again, head, in)
		if err != nil {
			return Manifest{}, err
		}
		found = append(found, part)
	}
}

func copyPart(to *tar.Writer, head *tar.Header, content io.Reader) (Part, error) {
	if err := to.WriteHeader(header(head.Name, head.Size, head.ModTime)); err != nil {
		return Part{}, damaged(err.Error())
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, sum), content); err != nil {
		return Part{}, unreadable(err)
	}
	return Part{Name: head.Name, Bytes: head.Size, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func verifyEnd(from io.Reader, in *tar.Reader, head *tar.Header, found []Part, read, written hash.Hash, again *tar.Writer) (Manifest, error) {
	if head.Size > mostManifest {
		return Manifest{}, damaged("its manifest is too large")
	}
	var text bytes.Buffer
	if _, err := copyPart(again, head, io.TeeReader(in, &text)); err != nil {
		return Manifest{}, err
	}
	m, err := decodeManifest(text.Bytes())
	if err != nil {
		return Manifest{}, err
	}
	if _, err := in.Next(); !errors.Is(err, io.EOF) {
		return Manifest{}, damaged("something follows its manifest")
	}
	if n, err := io.Copy(io.Discard, from); err != nil || n > 0 {
		return Manifest{}, damaged("something follows its end")
	}
	var wanted []Part
	for _, stream := range m.Streams {
		wanted = append(wanted, stream.Parts...)
	}
	for i := range max(len(wanted), len(found)) {
		switch {
		case i >= len(found):
			return Manifest{}, damaged(wanted[i].Name + " is missing")
		case i >= len(wanted):
			return Manifest{}, damaged(found[i].Name + " is not in its manifest")
		case wanted[i] != found[i]:
			return Manifest{}, damaged(found[i].Name + " is not as its manifest says")
		}
	}
	if err := again.Close(); err != nil || !bytes.Equal(read.Sum(nil), written.Sum(nil)) {
		return Manifest{}, damaged("it is not as it was written")
	}
	return m, nil
}

// unreadable returns the error of a file that ends early, is garbled, or cannot be read.
func unreadable(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("it is cut")
	}
	return damaged(err.Error())
}

// each calls do with every stream of a file that has been verified, in order. What do
// reads has been compared with the manifest once more, before it sees it.
func (m Manifest) each(from io.Reader, do func(Stream, io.Reader) error) error {
	archive := tar.NewReader(from)
	for _, stream := range m.Streams {
		content := &partsReader{archive: archive, left: stream.Parts}
		if err := do(stream, content); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil { // do need not read to the end
			return err
		}
	}
	return nil
}

// partsReader reads the parts of a stream.
type partsReader struct {
	archive *tar.Reader
	left    []Part
	buffer  []byte
	ready   []byte
}

func (p *partsReader) Read(into []byte) (int, error) {
	for len(p.ready) == 0 {
		if len(p.left) == 0 {
			return 0, io.EOF
		}
		if err := p.next(); err != nil {
			return 0, err
		}
	}
	n := copy(into, p.ready)
	p.ready = p.ready[n:]
	return n, nil
}

func (p *partsReader) next() error {
	part := p.left[0]
	head, err := p.archive.Next()
	if err != nil || head.Name != part.Name || head.Size != part.Bytes || head.Size > PartSize {
		return errChanged
	}
	if p.buffer == nil {
		p.buffer = make([]byte, PartSize)
	}
	p.ready = p.buffer[:head.Size]
	if _, err := io.ReadFull(p.archive, p.ready); err != nil {
		return errChanged
	}
	if sum := sha256.Sum256(p.ready); hex.EncodeToString(sum[:]) != part.SHA256 {
		return errChanged
	}
	p.left = p.left[1:]
	return nil
}

var errChanged = errors.New("the backup has changed since it was verified")
