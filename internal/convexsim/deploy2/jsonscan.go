package deploy2

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// jsonScanner reads a JSON document front to back, one value at a time. A push is
// mostly a few thousand long strings, which it reads several times faster than
// encoding/json does; that matters in a server that benchmarks run against.
type jsonScanner struct {
	reader  *bufio.Reader
	offset  int
	scratch []byte // of the string being read
}

// scanBuffer is how much of a body is read at a time.
const scanBuffer = 64 << 10

func newJSONScanner(body io.Reader) *jsonScanner {
	return &jsonScanner{reader: bufio.NewReaderSize(body, scanBuffer)}
}

// malformedJSON is a syntax error and its place.
type malformedJSON struct {
	what string
	at   int
}

func (m *malformedJSON) Error() string { return fmt.Sprintf("%s at byte %d", m.what, m.at) }

func (s *jsonScanner) malformed(format string, args ...any) error {
	return &malformedJSON{fmt.Sprintf(format, args...), s.offset}
}

// wrongType returns the error about a value of another type than is needed.
func (s *jsonScanner) wrongType(found byte, wanted string) error {
	return fmt.Errorf("invalid type: found %q, expected %s at byte %d", found, wanted, s.offset)
}

// peek skips white space and returns the next byte without taking it.
func (s *jsonScanner) peek() (byte, error) {
	for {
		b, err := s.reader.ReadByte()
		if err == io.EOF {
			return 0, io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		if b != ' ' && b != '\n' && b != '\t' && b != '\r' {
			return b, s.reader.UnreadByte()
		}
		s.offset++
	}
}

// take consumes the byte that peek returned.
func (s *jsonScanner) take() {
	_, _ = s.reader.Discard(1)
	s.offset++
}

// end reports anything but white space that follows the document.
func (s *jsonScanner) end() error {
	b, err := s.peek()
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.malformed("trailing character %q", b)
}

// object calls field for each key; field reads the value.
func (s *jsonScanner) object(field func(key string) error) error {
	return s.list('{', '}', "an object", func() error {
		key, err := s.text()
		if err != nil {
			return err
		}
		if b, err := s.peek(); err != nil || b != ':' {
			return orElse(err, s.malformed("expected a colon"))
		}
		s.take()
		return field(key)
	})
}

// array calls element for each element; element reads it.
func (s *jsonScanner) array(element func() error) error {
	return s.list('[', ']', "an array", element)
}

func (s *jsonScanner) list(open, shut byte, what string, item func() error) error {
	b, err := s.peek()
	if err != nil {
		return err
	}
	if b != open {
		return s.wrongType(b, what)
	}
	s.take()
	if b, err = s.peek(); err != nil {
		return err
	}
	for b != shut {
		if err := item(); err != nil {
			return err
		}
		if b, err = s.peek(); err != nil {
			return err
		}
		if b == shut {
			break
		}
		if b != ',' {
			return s.malformed("expected a comma, found %q", b)
		}
		s.take()
		if b, err = s.peek(); err != nil || b == shut {
			return orElse(err, s.malformed("trailing comma"))
		}
	}
	s.take()
	return nil
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// null reads null if that comes next, and reports whether it did.
func (s *jsonScanner) null() (bool, error) {
	b, err := s.peek()
	if err != nil || b != 'n' {
		return false, err
	}
	word, err := s.literal(nil)
	if err == nil && string(word) != "null" {
		err = s.malformed("expected null, found %q", word)
	}
	return true, err
}

// literal appends a number, true, false or null to out.
func (s *jsonScanner) literal(out []byte) ([]byte, error) {
	for {
		b, err := s.reader.ReadByte()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if !isWordByte(b) && b != '-' && b != '+' && b != '.' {
			return out, s.reader.UnreadByte()
		}
		out = append(out, b)
		s.offset++
	}
}

// decode reads any value into v by way of encoding/json.
func (s *jsonScanner) decode(v any) error {
	raw, err := s.raw(nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, v)
}

// skip reads a value and drops it.
func (s *jsonScanner) skip() error {
	_, err := s.raw(nil)
	return err
}

// raw appends the next value as JSON to out.
func (s *jsonScanner) raw(out []byte) ([]byte, error) {
	b, err := s.peek()
	if err != nil {
		return nil, err
	}
	switch b {
	case '"':
		text, err := s.text()
		return appendQuoted(out, text), err
	case '{', '[':
		return s.rawList(out, b)
	}
	before := len(out)
	if out, err = s.literal(out); err == nil && len(out) == before {
		err = s.malformed("expected a value, found %q", b)
	}
	return out, err
}

func (s *jsonScanner) rawList(out []byte, open byte) ([]byte, error) {
	begun := false
	separate := func() {
		if begun {
			out = append(out, ',')
		}
		begun = true
	}
	out = append(out, open)
	var err error
	if open == '[' {
		err = s.array(func() (err error) {
			separate()
			out, err = s.raw(out)
			return err
		})
		return append(out, ']'), err
	}
	err = s.object(func(key string) (err error) {
		separate()
		out = append(appendQuoted(out, key), ':')
		out, err = s.raw(out)
		return err
	})
	return append(out, '}'), err
}

// appendQuoted appends a string as JSON.
func appendQuoted(out []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return append(out, `""`...)
	}
	return append(out, quoted...)
}

func isWordByte(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}
