package jsonscan

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// documents are JSON texts that encoding/json and the scanner must agree on.
var documents = []string{
	`{}`, `[]`, ` { "a" : [ 1 , -2.5e3 , true , false , null ] } `, `"plain"`, `""`,
	`"\" \\ \/ \b \f \n \r \t"`, `"é😀 grüße 🎉"`, `{"nested":{"deep":[[{"x":"y"}]]},"k":"v"}`,
	`[{"path":"a.js","source":"line\nline"},{"path":"b.js","source":"\t\"q\""}]`, `0`, `"` + strings.Repeat(`ab\n`, 40_000) + `"`,
	`{"a":1,}`, `[1,]`, `[1 2]`, `{"a" 1}`, `{"a":}`, `{a:1}`, `"unended`, `"bad \x escape"`, `"\u12"`, `"\uZZZZ"`, `[`, `{"a"`, `nul`, ``,
	"\"control \x01\"", `{"a":1}}`, `[]x`,
}

func TestRawIsWhatEncodingJSONReads(t *testing.T) {
	for _, document := range documents {
		for name, reader := range map[string]io.Reader{
			"whole": strings.NewReader(document), "by bytes": iotest.OneByteReader(strings.NewReader(document)),
		} {
			scanner := NewScanner(reader)
			raw, err := scanner.Raw([]byte(" "))
			if err == nil {
				err = scanner.End()
			}
			var got, want any
			if err == nil {
				err = json.Unmarshal(raw, &got)
			}
			wantErr := json.Unmarshal([]byte(document), &want)
			if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%s %.60q: got %v, %v; want %v, %v", name, document, got, err, want, wantErr)
			}
		}
	}
}

func TestRawValuesFollowEachOther(t *testing.T) {
	long := `"` + strings.Repeat("x", scanWindow) + `"`
	scanner := NewScanner(strings.NewReader(" [ " + long + " , {\"a\": [1, 2]},3 ]"))
	var got []string
	err := scanner.Array(func() error {
		raw, err := scanner.Raw(nil)
		got = append(got, string(raw))
		return err
	})
	if want := []string{long, `{"a": [1, 2]}`, "3"}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %d values, %v", len(got), err)
	}
}

// TestReadErrorsPass holds the scanner to telling a document that ends from one
// that could not be read.
func TestReadErrorsPass(t *testing.T) {
	broken := errors.New("broken")
	for _, document := range []string{``, `{"a":`, `{"a":"tex`, `{"a":12`, `"\u00`} {
		whole := NewScanner(strings.NewReader(document))
		if _, err := whole.Skip(); !errors.As(err, new(*SyntaxError)) {
			t.Errorf("%q: got %v", document, err)
		}
		cut := NewScanner(io.MultiReader(strings.NewReader(document), iotest.ErrReader(broken)))
		if _, err := cut.Skip(); !errors.Is(err, broken) {
			t.Errorf("%q: got %v", document, err)
		}
	}
}
