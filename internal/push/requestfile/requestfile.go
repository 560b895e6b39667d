package requestfile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/tale-project/tale-runtime/internal/sys/atomicfile"
)

// File is a push request that the convex CLI wrote at image build, with
// `convex deploy --write-push-request FILE --push-all-modules`. It holds all code
// of an app, tens of megabytes for a large one, and stays on disk: an index says
// where its parts are.
type File struct {
	Path  string
	Index *Index
	// IndexNote says why the index beside the file was not used; "" when it was.
	IndexNote string

	file   *os.File
	pieces *Pieces // nil until they are asked for
}

// Open opens a push request. The index beside it is used when it fits
// the file, to the last byte, and computed otherwise.
func Open(path string) (*File, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the push request: %w", err)
	}
	r := &File{Path: path, file: file}
	if r.Index, err = readIndex(path, file); err == nil {
		return r, nil
	}
	r.IndexNote = err.Error()
	if r.Index, err = rescan(file); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot use the push request %s: %w", path, err), file.Close())
	}
	return r, nil
}

// Close closes the file.
func (r *File) Close() error {
	if r.pieces != nil {
		return errors.Join(r.file.Close(), r.pieces.file.Close())
	}
	return r.file.Close()
}

// ReadAt reads from the file.
func (r *File) ReadAt(p []byte, offset int64) (int, error) { return r.file.ReadAt(p, offset) }

// Digest identifies the request, the dummy key in it included: SHA-256, hex.
func (r *File) Digest() string { return r.Index.SHA256 }

func rescan(file *os.File) (*Index, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return scanRequest(file)
}

// IndexPath returns where the index of a request file is kept.
func IndexPath(request string) string { return request + ".index.json" }

// WriteIndex makes the index of a request file and its compressed pieces, and writes
// them beside the file. It is for the image build, and takes seconds for a request of
// 35 MB; a boot works without, and takes some 0.4 s longer.
func WriteIndex(request string) (*Index, error) {
	file, err := os.Open(request)
	if err != nil {
		return nil, fmt.Errorf("cannot open the push request: %w", err)
	}
	defer func() { _ = file.Close() }()
	index, err := scanRequest(file)
	if err != nil {
		return nil, fmt.Errorf("cannot use the push request %s: %w", request, err)
	}
	if err := writePieces(request, file, index); err != nil {
		return nil, fmt.Errorf("cannot compress the push request: %w", err)
	}
	data, err := index.encode()
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(IndexPath(request), data, 0o644); err != nil {
		return nil, fmt.Errorf("cannot write the index of the push request: %w", err)
	}
	return index, nil
}

// readIndex returns the stored index if it belongs to the file's present content.
func readIndex(request string, file *os.File) (*Index, error) {
	data, err := os.ReadFile(IndexPath(request))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no index beside it")
	}
	if err != nil {
		return nil, err
	}
	index, err := decodeIndex(data)
	if err != nil {
		return nil, err
	}
	digest := sha256.New()
	size, err := io.CopyBuffer(digest, onlyReader{file}, make([]byte, 256<<10))
	if err != nil {
		return nil, err
	}
	if size != index.Size || hex.EncodeToString(digest.Sum(nil)) != index.SHA256 {
		return nil, errors.New("its index is stale: the file has changed since")
	}
	return index, nil
}

// onlyReader hides WriteTo, which would bring its own buffer.
type onlyReader struct{ io.Reader }
