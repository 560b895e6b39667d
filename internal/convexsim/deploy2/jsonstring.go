package deploy2

import (
	"io"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string.
func (s *jsonScanner) text() (string, error) {
	b, err := s.peek()
	if err != nil {
		return "", err
	}
	if b != '"' {
		return "", s.wrongType(b, "a string")
	}
	s.take()
	out := s.scratch[:0]
	for {
		chunk, err := s.chunk()
		if err != nil {
			return "", err
		}
		var used int
		var ended bool
		out, used, ended = unescapeSimple(out, chunk)
		s.discard(used)
		if ended {
			break
		}
		if used == len(chunk) {
			continue
		}
		if chunk[used] != '\\' {
			return "", s.malformed("control character in a string")
		}
		if out, err = s.escape(out); err != nil {
			return "", err
		}
	}
	s.scratch = out
	if !utf8.Valid(out) {
		return "", s.malformed("invalid UTF-8 in a string")
	}
	return string(out), nil
}

// chunk returns what is buffered, at least a byte.
func (s *jsonScanner) chunk() ([]byte, error) {
	if s.reader.Buffered() == 0 {
		if _, err := s.reader.Peek(1); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return s.reader.Peek(s.reader.Buffered())
}

func (s *jsonScanner) discard(n int) {
	_, _ = s.reader.Discard(n)
	s.offset += n
}

// unescapeSimple appends what a part of a string stands for to out, as far as that
// is plain text and the escapes of one letter. It returns how much of the part it
// used, and whether that included the quote that ends the string.
func unescapeSimple(out, part []byte) (_ []byte, used int, ended bool) {
	plain := 0 // where the plain text began
	for i := 0; i < len(part); i++ {
		b := part[i]
		if b >= ' ' && b != '"' && b != '\\' {
			continue
		}
		out = append(out, part[plain:i]...)
		if b == '"' {
			return out, i + 1, true
		}
		if b != '\\' || i+1 == len(part) {
			return out, i, false
		}
		letter, ok := simpleEscape(part[i+1])
		if !ok {
			return out, i, false
		}
		out = append(out, letter)
		i++
		plain = i + 1
	}
	return append(out, part[plain:]...), len(part), false
}

// simpleEscape returns what a backslash and one letter stand for.
func simpleEscape(letter byte) (byte, bool) {
	switch letter {
	case '"', '\\', '/':
		return letter, true
	case 'n':
		return '\n', true
	case 't':
		return '\t', true
	case 'r':
		return '\r', true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	}
	return 0, false
}

// escape reads an escape sequence and appends what it stands for.
func (s *jsonScanner) escape(out []byte) ([]byte, error) {
	var pair [2]byte
	if _, err := io.ReadFull(s.reader, pair[:]); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	s.offset += 2
	if letter, ok := simpleEscape(pair[1]); ok {
		return append(out, letter), nil
	}
	if pair[1] == 'u' {
		return s.unicode(out)
	}
	return nil, s.malformed("invalid escape \\%c", pair[1])
}

// unicode reads the four digits of \u, and for a surrogate the escape after it.
func (s *jsonScanner) unicode(out []byte) ([]byte, error) {
	r, err := s.hexDigits()
	if err != nil {
		return nil, err
	}
	if utf16.IsSurrogate(r) {
		var next [2]byte
		if _, err := io.ReadFull(s.reader, next[:]); err != nil {
			return nil, io.ErrUnexpectedEOF
		}
		s.offset += 2
		low, err := s.hexDigits()
		if err != nil {
			return nil, err
		}
		if r = utf16.DecodeRune(r, low); string(next[:]) != `\u` || r == utf8.RuneError {
			return nil, s.malformed("lone surrogate in an escape")
		}
	}
	return utf8.AppendRune(out, r), nil
}

func (s *jsonScanner) hexDigits() (rune, error) {
	var digits [4]byte
	if _, err := io.ReadFull(s.reader, digits[:]); err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	s.offset += 4
	value, err := strconv.ParseUint(string(digits[:]), 16, 16)
	if err != nil {
		return 0, s.malformed("invalid escape \\u%s", digits)
	}
	return rune(value), nil
}
