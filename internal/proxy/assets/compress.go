package assets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/bits"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	ab "github.com/andybalholm/brotli"
	kgzip "github.com/klauspost/compress/gzip"
	kzstd "github.com/klauspost/compress/zstd"
)

const (
	// smallest is what is worth compressing, in bytes.
	smallest = 512
	// carefully is the size up to which brotli takes its time: at its best level a
	// tenth less than the next one, for 3 s of CPU and 30 MB of memory to a megabyte.
	carefully = 2 << 20
	// paying is how much smaller a form must be, in percent, to be kept.
	paying = 5
	// piece is what is compressed between two looks at who else wants to run.
	piece = 16 << 10
)

// compressible reports whether a kept answer is a text in the widest sense. What is
// packed already (images, fonts, archives) stays as it is.
func compressible(header http.Header) bool {
	kind := mediaType(header)
	if slices.Contains(directives(header["Cache-Control"]), "no-transform") {
		return false
	}
	switch kind {
	case "application/javascript", "application/x-javascript", "application/ecmascript", "application/json", "application/xml", "application/wasm":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+xml") || strings.HasSuffix(kind, "+json")
}

// encoder writes one encoding of a file of a known size.
type encoder struct {
	encoding string
	open     func(w io.Writer, size int64) (io.WriteCloser, error)
}

// encoders are in the order in which forms are made. gzip is for programs and for old
// browsers; at a level that costs nothing.
var encoders = []encoder{
	{gzip, func(w io.Writer, _ int64) (io.WriteCloser, error) { return kgzip.NewWriterLevel(w, 6) }},
	{zstd, func(w io.Writer, size int64) (io.WriteCloser, error) {
		return kzstd.NewWriter(w, kzstd.WithEncoderLevel(kzstd.SpeedBetterCompression), kzstd.WithEncoderConcurrency(1),
			kzstd.WithLowerEncoderMem(true), kzstd.WithWindowSize(1<<min(max(width(size), 10), 22)))
	}},
	{brotli, func(w io.Writer, size int64) (io.WriteCloser, error) {
		options := ab.WriterOptions{Quality: ab.BestCompression, LGWin: min(max(width(size), 10), 22)}
		if size > carefully {
			options.Quality = 9
		}
		return ab.NewWriterOptions(w, options), nil
	}},
}

// width returns the size of a window that holds everything, as a power of two. Larger
// ones cost memory and find nothing more.
func width(size int64) int { return bits.Len64(uint64(max(size+16, 1))) } //nolint:gosec // sizes are positive

// compressor makes the compressed forms of kept files, one after the other.
type compressor struct {
	store *store
	queue *queue[string] // paths
}

func (c *compressor) run(ctx context.Context) {
	for {
		path, ok := c.queue.next(ctx)
		if !ok {
			return
		}
		if f := c.store.find(path); f != nil && !f.Finished {
			if err := c.finish(ctx, f); err != nil && ctx.Err() == nil {
				c.store.log.Debug("asset not compressed", "path", path, "error", err)
			}
		}
		if c.queue.empty() {
			debug.FreeOSMemory() // what encoders need is several times what they compress
		}
	}
}

// finish makes the forms that pay and keeps them.
func (c *compressor) finish(ctx context.Context, f *file) error {
	r := f.record
	r.Finished, r.Forms = true, map[string]form{identity: f.Forms[identity]}
	temporary := map[string]*os.File{}
	defer func() {
		for _, temp := range temporary {
			discard(temp)
		}
	}()
	if size := f.Forms[identity].Size; compressible(f.Header) && size >= smallest {
		for _, e := range encoders {
			temp, made, err := c.encode(ctx, f, e)
			if err != nil {
				return err
			}
			temporary[e.encoding] = temp
			if made.Size*100 < size*(100-paying) {
				r.Forms[e.encoding] = made
			}
		}
	}
	chosen := map[string]*os.File{}
	for encoding := range r.Forms {
		if temp := temporary[encoding]; temp != nil {
			chosen[encoding] = temp
		}
	}
	return c.store.put(f.revised(r), f, chosen)
}

// encode writes one encoding to a temporary file.
func (c *compressor) encode(ctx context.Context, f *file, e encoder) (temp *os.File, made form, err error) {
	source, err := c.store.open(f.Forms[identity])
	if err != nil {
		if errors.Is(err, errDamaged) || os.IsNotExist(err) {
			c.store.forget(f)
		}
		return nil, made, err
	}
	defer source.close()
	if temp, err = c.store.temporary(); err != nil {
		return nil, made, c.store.cannot(err)
	}
	defer func() {
		if err != nil {
			discard(temp)
		}
	}()
	counted := newSummed(temp)
	w, err := e.open(counted, f.Forms[identity].Size)
	if err != nil {
		return nil, made, err
	}
	_, err = io.CopyBuffer(writerOnly{w}, polite{ctx, source.reader()}, make([]byte, piece))
	if err == nil {
		err = w.Close()
	}
	if counted.err != nil {
		return nil, made, c.store.cannot(counted.err)
	}
	return temp, counted.form(), err
}

// polite lets others run before each piece, and ends with its context.
type polite struct {
	ctx  context.Context
	from io.Reader
}

func (p polite) Read(to []byte) (int, error) {
	runtime.Gosched()
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.from.Read(to[:min(len(to), piece)])
}

type writerOnly struct{ io.Writer }

// summed writes bytes on and knows the form that they make.
type summed struct {
	to   io.Writer
	size int64
	err  error // why it could not write
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
}

func newSummed(to io.Writer) *summed { return &summed{to: to, sum: sha256.New()} }

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.size += int64(n)
	s.err = err
	_, _ = s.sum.Write(p[:n]) // never fails
	return n, err
}

func (s *summed) form() form { return form{Sum: hex.EncodeToString(s.sum.Sum(nil)), Size: s.size} }
