package jsonscan

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

var errBadEscape = errors.New("malformed JSON: a string with a wrong escape")

// TextDecoder writes the decoded form of JSON strings, of any length, to out. It
// is reused from string to string because of its buffers.
type TextDecoder struct {
	// Strict refuses half of a surrogate pair, as the backend does.
	Strict bool

	in  []byte
	out []byte
}

// NewTextDecoder returns a decoder.
func NewTextDecoder() *TextDecoder {
	return &TextDecoder{in: make([]byte, 64<<10), out: make([]byte, 0, 64<<10)}
}

// Decode reads the inside of one JSON string, without its quotes, from src. Half
// of a surrogate pair becomes U+FFFD, as where the CLI hashes its modules, unless
// the decoder is strict.
func (d *TextDecoder) Decode(out io.Writer, src io.Reader) error {
	have := 0
	for {
		n, err := io.ReadAtLeast(src, d.in[have:], 1)
		have += n
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return err
		}
		used, bad := d.chunk(out, d.in[:have], last)
		if bad != nil {
			return bad
		}
		if last {
			return d.flush(out)
		}
		have = copy(d.in, d.in[used:have])
	}
}

// chunk decodes what is complete in data and returns how much that was.
func (d *TextDecoder) chunk(out io.Writer, data []byte, last bool) (int, error) {
	at := 0
	for at < len(data) {
		run := bytes.IndexByte(data[at:], '\\')
		if run < 0 {
			return len(data), d.write(out, data[at:])
		}
		if err := d.write(out, data[at:at+run]); err != nil {
			return at, err
		}
		at += run
		// A surrogate pair, the longest escape, has twelve bytes.
		if !last && len(data)-at < 12 {
			return at, nil
		}
		n, err := d.escape(data[at:])
		if err != nil {
			return at, err
		}
		at += n
	}
	return at, nil
}

func (d *TextDecoder) write(out io.Writer, part []byte) error {
	large := len(part) > cap(d.out)/2
	// Room is left for the escape that follows.
	if large || len(d.out)+len(part)+utf8.UTFMax > cap(d.out) {
		if err := d.flush(out); err != nil {
			return err
		}
	}
	if large {
		_, err := out.Write(part)
		return err
	}
	d.out = append(d.out, part...)
	return nil
}

func (d *TextDecoder) flush(out io.Writer) error {
	_, err := out.Write(d.out)
	d.out = d.out[:0]
	return err
}

var simpleEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape decodes the escape at the front of data and returns its length.
func (d *TextDecoder) escape(data []byte) (int, error) {
	if len(data) < 2 {
		return 0, errBadEscape
	}
	switch c := data[1]; c {
	case 'n':
		d.out = append(d.out, '\n')
		return 2, nil
	case '"':
		d.out = append(d.out, '"')
		return 2, nil
	case 'u':
		return d.unicodeEscape(data)
	default:
		plain, known := simpleEscapes[c]
		if !known {
			return 0, errBadEscape
		}
		d.out = append(d.out, plain)
		return 2, nil
	}
}

func (d *TextDecoder) unicodeEscape(data []byte) (int, error) {
	first, ok := codeUnit(data)
	if !ok {
		return 0, errBadEscape
	}
	if !utf16.IsSurrogate(first) {
		d.out = utf8.AppendRune(d.out, first)
		return 6, nil
	}
	if second, ok := codeUnit(data[6:]); ok {
		if pair := utf16.DecodeRune(first, second); pair != utf8.RuneError {
			d.out = utf8.AppendRune(d.out, pair)
			return 12, nil
		}
	}
	if d.Strict {
		return 0, errBadEscape
	}
	d.out = utf8.AppendRune(d.out, utf8.RuneError)
	return 6, nil
}

// codeUnit reads \uXXXX.
func codeUnit(data []byte) (rune, bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(data[2:6]), 16, 16)
	return rune(n), err == nil
}
