package deploy2

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
)

// reader reads a push front to back, one value at a time. A push is mostly a few
// thousand long strings, which it reads several times faster than encoding/json
// does; that matters in a server that benchmarks run against.
type reader struct {
	*jsonscan.Scanner
	decoder *jsonscan.TextDecoder
	raw     []byte       // the value being read
	decoded bytes.Buffer // the string being read

	keepSources bool // of all modules
}

func newReader(body io.Reader) *reader {
	decoder := jsonscan.NewTextDecoder()
	decoder.Strict = true
	return &reader{Scanner: jsonscan.NewScanner(body), decoder: decoder}
}

// want reports a value of another type than the one that is needed.
func (r *reader) want(first byte, what string) error {
	b, err := r.Peek()
	if err != nil || b == first {
		return err
	}
	return fmt.Errorf("invalid type: found %q, expected %s at byte %d", b, what, r.Offset())
}

// object calls field for each key; field reads the value.
func (r *reader) object(field func(key string) error) error {
	if err := r.want('{', "an object"); err != nil {
		return err
	}
	return r.Object(field)
}

// array calls element for each element; element reads it.
func (r *reader) array(element func() error) error {
	if err := r.want('[', "an array"); err != nil {
		return err
	}
	return r.Array(element)
}

// decode reads any value into v by way of encoding/json.
func (r *reader) decode(v any) (err error) {
	if r.raw, err = r.Raw(r.raw[:0]); err != nil {
		return err
	}
	return json.Unmarshal(r.raw, v)
}

// skip reads a value and drops it.
func (r *reader) skip() error {
	_, err := r.Skip()
	return err
}

// null reads null if that comes next, and reports whether it did.
func (r *reader) null() (bool, error) {
	b, err := r.Peek()
	if err != nil || b != 'n' {
		return false, err
	}
	_, err = r.Scalar()
	return true, err
}

// text reads a string.
func (r *reader) text() (text string, err error) {
	if err := r.want('"', "a string"); err != nil {
		return "", err
	}
	if r.raw, err = r.Raw(r.raw[:0]); err != nil {
		return "", err
	}
	r.decoded.Reset()
	if err := r.decoder.Decode(&r.decoded, bytes.NewReader(r.raw[1:len(r.raw)-1])); err != nil {
		return "", &jsonscan.SyntaxError{Offset: r.Offset(), Problem: "a string with a wrong escape"}
	}
	if !utf8.Valid(r.decoded.Bytes()) {
		return "", &jsonscan.SyntaxError{Offset: r.Offset(), Problem: "a string that is not UTF-8"}
	}
	return r.decoded.String(), nil
}
