package requestfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/andybalholm/brotli"
	"golang.org/x/sync/errgroup"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// Pieces is a request file in compressed form, made at image build: a brotli stream
// of fragments (see fragment.go), of which a push sends those that it needs. Package
// nativedriver puts a body together from them without compressing anything.
type Pieces struct {
	file  *os.File
	texts []int64 // where each piece begins in the request file, and where the last ends
	bytes []int64 // the same in the compressed file
}

// PiecesPath returns where the compressed pieces of a request file are kept.
func PiecesPath(request string) string { return request + ".br" }

// cuts returns where the request file is cut into pieces: around whatever a push
// replaces or leaves out.
func (x *Index) cuts() []int64 {
	cuts := []int64{0, x.Size}
	around := func(spans ...jsonscan.Span) {
		for _, s := range spans {
			cuts = append(cuts, s.Start, s.End)
		}
	}
	around(x.Key, x.UnchangedHashes, x.ChangedModules)
	for _, m := range x.Functions() {
		around(m.At)
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// Pieces returns the compressed pieces beside the file, or why there are none that
// can be used: they must be those that the index was written with, to the last byte.
func (r *File) Pieces() (*Pieces, error) {
	if r.pieces != nil {
		return r.pieces, nil
	}
	if r.Index.PiecesSHA256 == "" {
		return nil, errors.New("the index names no compressed pieces")
	}
	file, err := os.Open(PiecesPath(r.Path))
	if err != nil {
		return nil, fmt.Errorf("cannot open the compressed pieces: %w", err)
	}
	p := &Pieces{file: file, texts: r.Index.cuts(), bytes: []int64{int64(len(streamHead))}}
	for i, length := range r.Index.Pieces {
		p.bytes = append(p.bytes, p.bytes[i]+length)
	}
	if err := p.check(r.Index.PiecesSHA256); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	r.pieces = p
	return p, nil
}

func (p *Pieces) check(want string) error {
	digest := sha256.New()
	size, err := io.CopyBuffer(digest, onlyReader{p.file}, make([]byte, 256<<10))
	switch {
	case err != nil:
		return err
	case hex.EncodeToString(digest.Sum(nil)) != want:
		return errors.New("the compressed pieces are not those of the index")
	case len(p.texts) != len(p.bytes) || p.bytes[len(p.bytes)-1]+int64(len(streamEnd)) != size:
		return errors.New("the compressed pieces are not cut as the index says")
	}
	return nil
}

// Head and End are what a stream of pieces begins and ends with.
func (p *Pieces) Head() []byte { return streamHead }

// End returns what a stream ends with.
func (p *Pieces) End() []byte { return streamEnd }

// Section returns a part of the request file in its compressed form; nil when the
// file is not cut there.
func (p *Pieces) Section(of jsonscan.Span) *io.SectionReader {
	first, begins := slices.BinarySearch(p.texts, of.Start)
	last, ends := slices.BinarySearch(p.texts, of.End)
	if !begins || !ends || first > last {
		return nil
	}
	return io.NewSectionReader(p.file, p.bytes[first], p.bytes[last]-p.bytes[first])
}

// writePieces compresses a request file, on all processors, and enters the pieces
// into its index.
func writePieces(request string, file io.ReaderAt, index *Index) error {
	pieces, err := compressPieces(file, index.cuts())
	if err != nil {
		return err
	}
	index.Pieces = nil
	for _, piece := range pieces {
		index.Pieces = append(index.Pieces, int64(len(piece)))
	}
	stream := slices.Concat(streamHead, slices.Concat(pieces...), streamEnd)
	if err := verifyPieces(stream, index.SHA256); err != nil {
		return err
	}
	sum := sha256.Sum256(stream)
	index.PiecesSHA256 = hex.EncodeToString(sum[:])
	return atomicfile.Write(PiecesPath(request), stream, 0o644)
}

func compressPieces(file io.ReaderAt, cuts []int64) ([][]byte, error) {
	pieces := make([][]byte, len(cuts)-1)
	workers := max(1, runtime.GOMAXPROCS(0))
	var group errgroup.Group
	for w := range workers {
		group.Go(func() error {
			f := newFragmenter()
			for i := w; i < len(pieces); i += workers {
				text := make([]byte, cuts[i+1]-cuts[i])
				if _, err := file.ReadAt(text, cuts[i]); err != nil {
					return err
				}
				var err error
				if pieces[i], err = f.compress(text); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return pieces, group.Wait()
}

// compress returns the shorter of a text's two forms. It proves that a compressed one
// can stand alone.
func (f *fragmenter) compress(text []byte) ([]byte, error) {
	stored := Stored(text)
	fragment, err := f.fragment(text)
	if err != nil || len(fragment) >= len(stored) {
		return stored, err
	}
	alone, err := io.ReadAll(brotli.NewReader(bytes.NewReader(slices.Concat(streamHead, fragment, streamEnd))))
	if err == nil && !bytes.Equal(alone, text) {
		err = errors.New("it is another text")
	}
	if err != nil {
		return nil, fmt.Errorf("a compressed piece does not give its text: %w", err)
	}
	return fragment, nil
}

// verifyPieces proves that all pieces one after the other give the request file. With
// each of them proven to stand alone, none depends on what is before it.
func verifyPieces(stream []byte, want string) error {
	digest := sha256.New()
	if _, err := io.Copy(digest, brotli.NewReader(bytes.NewReader(stream))); err != nil {
		return fmt.Errorf("the compressed pieces cannot be read: %w", err)
	}
	if hex.EncodeToString(digest.Sum(nil)) != want {
		return errors.New("the compressed pieces do not give the request")
	}
	return nil
}
