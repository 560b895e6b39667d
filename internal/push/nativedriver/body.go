package nativedriver

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"

	"github.com/andybalholm/brotli"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

const (
	// compressFrom is the size from which a body is worth compressing. The
	// backend decodes brotli, and nothing else, on the deploy2 routes.
	compressFrom = 64 << 10
	// The lowest level of the library's newer compressor takes bundled code to an
	// eighth at some 200 MB/s, where that of the older one takes twice the time for
	// twice the size.
	compressQuality = brotli.BestSpeed
	// streamFrom is the size from which a compressed body is not held as a whole.
	// Below it the request has a length, which not every server does without.
	streamFrom = 64 << 20
	// expectedRatio is how many times smaller code becomes, at least.
	expectedRatio = 4
	bodyBuffer    = 256 << 10
)

// bodyPart is literal bytes, or a part of a file.
type bodyPart struct {
	literal []byte
	at      jsonscan.Span
}

// body is a request body put together from parts, most of them in a file.
type body struct {
	file   io.ReaderAt
	pieces *requestfile.Pieces // of the file, compressed at image build; may be nil
	parts  []bodyPart
}

func (b *body) literal(p []byte)           { b.parts = append(b.parts, bodyPart{literal: p}) }
func (b *body) section(from jsonscan.Span) { b.parts = append(b.parts, bodyPart{at: from}) }

func (b *body) size() int64 {
	var size int64
	for _, p := range b.parts {
		size += int64(len(p.literal)) + p.at.Length()
	}
	return size
}

func (b *body) reader() io.Reader {
	readers := make([]io.Reader, len(b.parts))
	for i, p := range b.parts {
		if p.literal != nil {
			readers[i] = bytes.NewReader(p.literal)
		} else {
			readers[i] = io.NewSectionReader(b.file, p.at.Start, p.at.Length())
		}
	}
	return io.MultiReader(readers...)
}

// compressed returns the body as a brotli stream of the file's compressed pieces and
// of what goes between them, and its length; nil when a part is not one of them.
func (b *body) compressed() (r io.Reader, length int64) {
	if b.pieces == nil {
		return nil, 0
	}
	var readers []io.Reader
	add := func(r io.Reader, size int64) {
		readers, length = append(readers, r), length+size
	}
	stored := func(text []byte) { add(bytes.NewReader(text), int64(len(text))) }
	stored(b.pieces.Head())
	for _, p := range b.parts {
		if p.literal != nil {
			stored(requestfile.Stored(p.literal))
			continue
		}
		section := b.pieces.Section(p.at)
		if section == nil {
			return nil, 0
		}
		add(section, section.Size())
	}
	stored(b.pieces.End())
	return io.MultiReader(readers...), length
}

// open returns the body as it goes over the wire, its length where that is known
// in advance, and its content encoding. A very large body is compressed while it
// is sent, so that little of it is held. Compression ends early with ctx.
func (b *body) open(ctx context.Context, compress bool) (body io.ReadCloser, length int64, encoding string) {
	size := b.size()
	if !compress || size < compressFrom {
		return io.NopCloser(b.reader()), size, ""
	}
	if r, length := b.compressed(); r != nil {
		return io.NopCloser(r), length, "br"
	}
	if size < streamFrom {
		var whole bytes.Buffer
		whole.Grow(int(size / expectedRatio))
		if err := b.compress(ctx, &whole); err == nil {
			return io.NopCloser(bytes.NewReader(whole.Bytes())), int64(whole.Len()), "br"
		}
		// Sent as a stream, the error arrives where the request is made.
	}
	pipe, out := io.Pipe()
	go func() {
		// Large writes: each one wakes the sender.
		buffered := bufio.NewWriterSize(out, bodyBuffer)
		err := errors.Join(b.compress(ctx, buffered), buffered.Flush())
		_ = out.CloseWithError(err) // of the sender's end of the pipe, when that was closed early
	}()
	return pipe, 0, "br"
}

func (b *body) compress(ctx context.Context, out io.Writer) error {
	w := brotli.NewWriterV2(out, compressQuality)
	_, err := io.CopyBuffer(w, untilDone{b.reader(), ctx}, make([]byte, bodyBuffer))
	return errors.Join(err, w.Close())
}

// untilDone reads until the context ends. It hides the WriteTo of its reader, too,
// which would bring a small buffer of its own.
type untilDone struct {
	io.Reader
	ctx context.Context
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// unchangedModule is ModuleHash as start_push wants it.
type unchangedModule struct {
	Path        string `json:"path"`
	Environment string `json:"environment"`
	SHA256      string `json:"sha256"`
}

// startBody returns the request of start_push: the file with the key put in and the
// app's modules that deployed has already replaced by their hashes. The modules
// of components always go as source, because backends take hashes of the app's
// own modules only.
func startBody(r *requestfile.File, key string, deployed map[string]backend.ModuleHash) (body *body, changed int, err error) {
	var (
		unchanged []unchangedModule
		fresh     []jsonscan.Span // runs of modules that follow each other in the file
		next      int             // the module after the last run
	)
	for i, m := range r.Index.Functions() {
		have, known := deployed[m.Path]
		if known && have.SHA256 == m.SHA256 && have.Environment == m.Environment && r.Index.UnchangedHashes.Length() > 0 {
			unchanged = append(unchanged, unchangedModule{m.Path, m.Environment, m.SHA256})
			continue
		}
		changed++
		if i == next && len(fresh) > 0 {
			fresh[len(fresh)-1].End = m.At.End
		} else {
			fresh = append(fresh, m.At)
		}
		next = i + 1
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return nil, 0, err
	}
	replaced := map[jsonscan.Span][]bodyPart{r.Index.Key: {{literal: quoted}}}
	if len(unchanged) > 0 {
		hashes, err := json.Marshal(unchanged)
		if err != nil {
			return nil, 0, err
		}
		replaced[r.Index.UnchangedHashes] = []bodyPart{{literal: hashes}}
		replaced[r.Index.ChangedModules] = list(fresh)
	}
	return splice(r, replaced), changed, nil
}

// list returns a JSON array of parts of the file.
func list(elements []jsonscan.Span) []bodyPart {
	parts := []bodyPart{{literal: []byte("[")}}
	for i, at := range elements {
		if i > 0 {
			parts = append(parts, bodyPart{literal: []byte(",")})
		}
		parts = append(parts, bodyPart{at: at})
	}
	return append(parts, bodyPart{literal: []byte("]")})
}

// splice returns the file with some of its parts replaced.
func splice(r *requestfile.File, replaced map[jsonscan.Span][]bodyPart) *body {
	body := &body{file: r}
	at := int64(0)
	for _, old := range slices.SortedFunc(maps.Keys(replaced), func(a, b jsonscan.Span) int { return cmp.Compare(a.Start, b.Start) }) {
		body.section(jsonscan.Span{Start: at, End: old.Start})
		body.parts = append(body.parts, replaced[old]...)
		at = old.End
	}
	body.section(jsonscan.Span{Start: at, End: r.Index.Size})
	return body
}
