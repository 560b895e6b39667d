package jsonscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

// decode reads the whole document as encoding/json does.
func decode(doc string, wrap func(io.Reader) io.Reader) (any, error) {
	s := NewScanner(wrap(strings.NewReader(doc)))
	v, err := value(s)
	if err == nil {
		err = s.End()
	}
	return v, err
}

func value(s *Scanner) (any, error) {
	c, err := s.Peek()
	if err != nil {
		return nil, err
	}
	switch c {
	case '{':
		object := map[string]any{}
		err := s.Object(func(key string) (err error) { object[key], err = value(s); return })
		return object, err
	case '[':
		array := []any{}
		err := s.Array(func() error {
			v, err := value(s)
			array = append(array, v)
			return err
		})
		return array, err
	case '"':
		text, _, err := s.Text()
		return text, err
	}
	word, err := s.Scalar()
	switch word {
	case "true", "false":
		return word == "true", err
	case "null":
		return nil, err
	}
	return json.Number(word), err
}

func standard(doc string) (v any, err error) {
	decoder := json.NewDecoder(strings.NewReader(doc))
	decoder.UseNumber()
	if err = decoder.Decode(&v); err == nil && !json.Valid([]byte(doc)) {
		err = errors.New("something follows")
	}
	return v, err
}

// refused reports whether the scanner does not read it although it is JSON.
func refused(doc string) bool {
	return longNumber.MatchString(doc) || strings.Count(doc, "[")+strings.Count(doc, "{") > maxDepth || len(doc) > maxScanName || !utf8.ValidString(doc)
}

var longNumber = regexp.MustCompile(`[-+.0-9eE]{65}`)

var readers = map[string]func(io.Reader) io.Reader{
	"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "error with the data": iotest.DataErrReader,
}

func compare(t *testing.T, doc string) {
	t.Helper()
	if refused(doc) {
		return
	}
	want, wrong := standard(doc)
	for name, wrap := range readers {
		got, err := decode(doc, wrap)
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%s, %q: error %v, encoding/json: %v", name, doc, err, wrong)
		}
		if wrong == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%s, %q:\n got %#v\nwant %#v", name, doc, got, want)
		}
	}
	if wrong == nil {
		compareSpans(t, doc)
	}
}

// compareSpans passes over the elements of the document and expects them at the
// places that it is told.
func compareSpans(t *testing.T, doc string) {
	t.Helper()
	s, got := NewScanner(strings.NewReader(doc)), []json.RawMessage{}
	err := s.ArrayOrSkip(func() error {
		at, err := s.Skip()
		if err == nil && at.Length() != at.End-at.Start {
			err = fmt.Errorf("length %d of %v", at.Length(), at)
		}
		got = append(got, json.RawMessage(doc[at.Start:at.End]))
		return err
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		t.Fatalf("%q: %v", doc, err)
	}
	want := []json.RawMessage{}
	if strings.HasPrefix(strings.TrimSpace(doc), "[") {
		if err := json.Unmarshal([]byte(doc), &want); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: elements %q, want %q", doc, got, want)
	}
}

var seeds = []string{
	"", " ", "{}", "[]", "[,]", "[1,]", "{,}", `{"a":1,}`, `{"a"}`, `{"a" 1}`, `{1:2}`, "[1 2]", "[1]]", "{}{}", "nul", "null", "truefalse", "01", "-", "-0.5e+7", "1e",
	`"`, `"\`, `"\u12"`, `"\ud83d\ude00"`, `"\ud83d"`, "\"\x01\"", "\"\t\"", `{"a\u0062":[null,true,{"":"x"}]} `, "\t[\n1 ,\r2 ] ", `{"a":1,"a":2}`, "\xff", "[\x00]", "\v1", "\u00a01", "[1}", "{]",
	strings.Repeat("[", 50) + strings.Repeat("]", 50),
}

// FuzzScanner compares with encoding/json: what is a document, what is in it, and
// where.
func FuzzScanner(f *testing.F) {
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(compare)
}

// A document that is damaged in one place is where a scanner and encoding/json
// come to differ.
func TestScannerReadsWhatEncodingJSONReads(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	noise := `{}[],:"\ tfnu0123456789.eE+-` + "\n\t\x00é"
	for range 500 {
		doc := document(random, 4)
		compare(t, doc)
		for range 1 + random.IntN(2) {
			at := random.IntN(len(doc) + 1)
			end := min(len(doc), at+random.IntN(3))
			c := random.IntN(len(noise))
			doc = doc[:at] + noise[c:min(len(noise), c+random.IntN(2))] + doc[end:]
		}
		compare(t, doc)
	}
}

// document returns a random one, with space between its parts.
func document(random *rand.Rand, depth int) string {
	space := func() string { return strings.Repeat(" ", random.IntN(2)) + strings.Repeat("\n", random.IntN(2)) }
	list := func(open, end string, item func() string) string {
		var parts []string
		for range random.IntN(4) {
			parts = append(parts, space()+item()+space())
		}
		return open + strings.Join(parts, ",") + end
	}
	text := func() string {
		if random.IntN(2) == 0 {
			return `"text without escapes"`
		}
		from := random.IntN(len(pushtest.Awkward))
		quoted, _ := json.Marshal(pushtest.Awkward[from : from+random.IntN(len(pushtest.Awkward)-from)])
		return string(quoted)
	}
	kind := random.IntN(7)
	if depth == 0 {
		kind %= 5
	}
	switch kind {
	case 0:
		return []string{"null", "true", "false"}[random.IntN(3)]
	case 1:
		return []string{"0", "-1", "12.50", "3e8", "-4E-2"}[random.IntN(5)]
	case 5:
		return list("[", "]", func() string { return document(random, depth-1) })
	case 6:
		return list("{", "}", func() string { return text() + space() + ":" + space() + document(random, depth-1) })
	}
	return text()
}

// The window ends anywhere in a value.
func TestScannerOverTheEdgeOfItsWindow(t *testing.T) {
	const doc = `{"a\"b":["\u00e9\\",-12.5e3,true,"x"],"c":null}`
	want, err := standard(doc)
	if err != nil {
		t.Fatal(err)
	}
	for before := range len(doc) + 1 {
		padded := strings.Repeat(" ", scanWindow-before) + doc
		got, err := decode(padded, readers["whole"])
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%d bytes before the edge: %v, %v", before, got, err)
		}
		s := NewScanner(strings.NewReader(padded))
		if at, err := s.Skip(); err != nil || padded[at.Start:at.End] != doc {
			t.Fatalf("%d bytes before the edge: %v, %v", before, at, err)
		}
	}
}

func TestScannerRefuses(t *testing.T) {
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	for name, c := range map[string]struct{ doc, want string }{
		"nested too deeply": {deep, "nested too deeply"},
		"long number":       {strings.Repeat("1", maxNumber+1), "a number is too long"},
		"long name":         {`{"` + strings.Repeat("x", maxScanName) + `":1}`, "a name is too long"},
		"cut string":        {`["ab`, "at byte 4: a string does not end"},
		"cut array":         {`[1,`, "at byte 3: the document ends early"},
		"missing comma":     {`[1 2]`, `at byte 3: '2' where ',' or ']' must be`},
		"missing colon":     {`{"a" 2}`, `at byte 5: '2' where ':' must be`},
		"second document":   {`{} {}`, "something follows"},
	} {
		for reader, wrap := range readers {
			if _, err := decode(c.doc, wrap); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v", name, reader, err)
			}
		}
	}
	if _, err := decode(deep[1:len(deep)-1], readers["whole"]); err != nil {
		t.Errorf("not too deep: %v", err)
	}
}

func TestTextOrNull(t *testing.T) {
	for doc, want := range map[string]string{`"a\n"`: "a\n", "null": "", `""`: ""} {
		if got, err := NewScanner(strings.NewReader(doc)).TextOrNull(); err != nil || got != want {
			t.Errorf("%s: %q, %v", doc, got, err)
		}
	}
	for _, doc := range []string{"1", "true", "{}", "nil"} {
		if got, err := NewScanner(strings.NewReader(doc)).TextOrNull(); err == nil {
			t.Errorf("%s: %q", doc, got)
		}
	}
}

func TestValuesOfAnotherKindAreSkipped(t *testing.T) {
	for _, doc := range []string{"null", "1", `"x"`, `{"a":[1]}`, `[{"a":1}]`} {
		s := NewScanner(strings.NewReader(doc))
		item := func() error { t.Errorf("%s was entered", doc); return nil }
		var err error
		if strings.HasPrefix(doc, "{") {
			err = s.ArrayOrSkip(item)
		} else {
			err = s.ObjectOrSkip(func(string) error { return item() })
		}
		if err != nil || s.End() != nil {
			t.Errorf("%s: %v", doc, err)
		}
	}
}
