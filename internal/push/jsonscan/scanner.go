package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	scanWindow  = 256 << 10
	maxScanName = 64 << 10 // keys, paths and other strings that are decoded
	maxNumber   = 64
	maxDepth    = 1000
)

// Span is a range of bytes, the first included, the last not.
type Span struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// Length returns the number of bytes.
func (s Span) Length() int64 { return s.End - s.Start }

// Scanner reads one JSON document and returns where its parts are. It decodes
// only what it is asked for and holds one window of the input, so that a document
// of any size can be looked through.
type Scanner struct {
	r     io.Reader
	buf   []byte
	pos   int
	base  int64 // offset of buf[0]
	depth int
	err   error // of the reader
	// While keeping, what of the window from keepFrom on is taken away goes to kept.
	keeping  bool
	keepFrom int
	kept     []byte
}

// NewScanner returns a scanner of the one document that r has.
func NewScanner(r io.Reader) *Scanner {
	return &Scanner{r: r, buf: make([]byte, 0, scanWindow)}
}

// Offset returns where in the document the scanner is, in bytes.
func (s *Scanner) Offset() int64 { return s.base + int64(s.pos) }

// fill replaces the window, all of which was consumed.
func (s *Scanner) fill() error {
	if s.err != nil {
		return s.err
	}
	if s.keeping {
		s.kept = append(s.kept, s.buf[s.keepFrom:]...)
		s.keepFrom = 0
	}
	s.base += int64(len(s.buf))
	s.pos = 0
	for {
		n, err := s.r.Read(s.buf[:cap(s.buf)])
		s.buf, s.err = s.buf[:n], err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *Scanner) next() (byte, error) {
	if s.pos == len(s.buf) {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	c := s.buf[s.pos]
	s.pos++
	return c, nil
}

// Peek returns the next byte that is not white space and does not consume it.
func (s *Scanner) Peek() (byte, error) {
	for {
		c, err := s.next()
		if errors.Is(err, io.EOF) {
			return 0, s.malformed("the document ends early")
		}
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			s.pos--
			return c, nil
		}
	}
}

// SyntaxError is what is wrong with a document that is not JSON.
type SyntaxError struct {
	Offset  int64 // bytes
	Problem string
}

// Error returns what is wrong, and where.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed JSON at byte %d: %s", e.Offset, e.Problem)
}

func (s *Scanner) malformed(problem string) error { return &SyntaxError{s.Offset(), problem} }

func (s *Scanner) expect(want byte) error {
	c, err := s.Peek()
	if err != nil {
		return err
	}
	if c != want {
		return s.malformed(fmt.Sprintf("%q where %q must be", c, want))
	}
	s.pos++
	return nil
}

// End returns an error unless only white space follows the document.
func (s *Scanner) End() error {
	for {
		c, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return s.malformed("something follows the document")
		}
	}
}

// Object calls member for each key; member must consume the value.
func (s *Scanner) Object(member func(key string) error) error {
	return s.list('{', '}', func() error {
		key, _, err := s.Text()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		return member(key)
	})
}

// Array calls element in front of each element; element must consume it.
func (s *Scanner) Array(element func() error) error { return s.list('[', ']', element) }

func (s *Scanner) list(open, end byte, item func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	if s.depth++; s.depth > maxDepth {
		return s.malformed("it is nested too deeply")
	}
	defer func() { s.depth-- }()
	c, err := s.Peek()
	if err != nil {
		return err
	}
	if c == end {
		s.pos++
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		c, err := s.Peek()
		if err != nil {
			return err
		}
		s.pos++
		switch c {
		case end:
			return nil
		case ',':
		default:
			s.pos--
			return s.malformed(fmt.Sprintf("%q where ',' or %q must be", c, end))
		}
	}
}

// Skip passes over one value of any kind and returns where it is.
func (s *Scanner) Skip() (Span, error) {
	c, err := s.Peek()
	if err != nil {
		return Span{}, err
	}
	at := Span{Start: s.Offset()}
	switch c {
	case '{':
		err = s.Object(func(string) error { _, err := s.Skip(); return err })
	case '[':
		err = s.Array(func() error { _, err := s.Skip(); return err })
	case '"':
		err = s.stringBytes(nil)
	default:
		_, err = s.Scalar()
	}
	at.End = s.Offset()
	return at, err
}

// Raw appends the bytes of one value of any kind to out.
func (s *Scanner) Raw(out []byte) ([]byte, error) {
	if _, err := s.Peek(); err != nil {
		return out, err
	}
	s.keeping, s.keepFrom, s.kept = true, s.pos, out
	_, err := s.Skip()
	out = append(s.kept, s.buf[s.keepFrom:s.pos]...)
	s.keeping, s.kept = false, nil
	return out, err
}

// stringBytes consumes a string and appends its raw bytes, quotes included, to
// raw unless that is nil.
func (s *Scanner) stringBytes(raw *[]byte) error {
	if err := s.expect('"'); err != nil {
		return err
	}
	s.keep(raw, s.buf[s.pos-1:s.pos])
	escaped := false
	for {
		if s.pos == len(s.buf) {
			if err := s.fill(); errors.Is(err, io.EOF) {
				return s.malformed("a string does not end")
			} else if err != nil {
				return err
			}
		}
		window := s.buf[s.pos:]
		n, closed, bad := stringEnd(window, &escaped)
		s.keep(raw, window[:n])
		s.pos += n
		switch {
		case bad:
			return s.malformed("a control character in a string")
		case raw != nil && len(*raw) > maxScanName:
			return s.malformed("a name is too long")
		case closed:
			return nil
		}
	}
}

func (s *Scanner) keep(raw *[]byte, part []byte) {
	if raw != nil {
		*raw = append(*raw, part...)
	}
}

// stringEnd returns how many bytes of window belong to the string, and whether
// the string's closing quote is the last of them. escaped carries a backslash
// over the edge of a window.
func stringEnd(window []byte, escaped *bool) (n int, closed, bad bool) {
	i := 0
	if *escaped {
		*escaped, i = false, 1
	}
	for i < len(window) {
		switch c := window[i]; {
		case c >= ' ' && c != '"' && c != '\\':
			i++
		case c == '"':
			return i + 1, true, false
		case c != '\\':
			return i, false, true
		case i+1 == len(window):
			*escaped = true
			return len(window), false, false
		default:
			i += 2
		}
	}
	return len(window), false, false
}

// Text decodes a string of at most maxScanName bytes.
func (s *Scanner) Text() (string, Span, error) {
	if _, err := s.Peek(); err != nil {
		return "", Span{}, err
	}
	at := Span{Start: s.Offset()}
	raw := make([]byte, 0, 64)
	if err := s.stringBytes(&raw); err != nil {
		return "", Span{}, err
	}
	at.End = s.Offset()
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), at, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return "", at, s.malformed("a string with a wrong escape")
	}
	return text, at, nil
}

// TextOrNull decodes a string; null is "".
func (s *Scanner) TextOrNull() (string, error) {
	c, err := s.Peek()
	if err != nil {
		return "", err
	}
	if c == '"' {
		text, _, err := s.Text()
		return text, err
	}
	word, err := s.Scalar()
	if err == nil && word != "null" {
		err = s.malformed(word + " where a string must be")
	}
	return "", err
}

// Scalar consumes a number, true, false or null and returns its text.
func (s *Scanner) Scalar() (string, error) {
	if _, err := s.Peek(); err != nil {
		return "", err
	}
	var word []byte
	for {
		c, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		if c == ',' || c == '}' || c == ']' || c == ':' || c <= ' ' {
			s.pos--
			break
		}
		if word = append(word, c); len(word) > maxNumber {
			return "", s.malformed("a number is too long")
		}
	}
	if !json.Valid(word) {
		return "", s.malformed("neither a string, a number, an object nor an array")
	}
	return string(word), nil
}

// ObjectOrSkip reads as Object does, but passes over a value of another kind.
func (s *Scanner) ObjectOrSkip(member func(key string) error) error {
	c, err := s.Peek()
	if err == nil && c != '{' {
		_, err = s.Skip()
		return err
	}
	if err != nil {
		return err
	}
	return s.Object(member)
}

// ArrayOrSkip reads as Array does, but passes over a value of another kind.
func (s *Scanner) ArrayOrSkip(element func() error) error {
	c, err := s.Peek()
	if err == nil && c != '[' {
		_, err = s.Skip()
		return err
	}
	if err != nil {
		return err
	}
	return s.Array(element)
}
