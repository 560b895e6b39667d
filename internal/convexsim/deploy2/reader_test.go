package deploy2

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// documents are JSON texts that encoding/json and the scanner must agree on.
var documents = []string{
	`{}`, `[]`, ` { "a" : [ 1 , -2.5e3 , true , false , null ] } `, `"plain"`, `""`,
	`"\" \\ \/ \b \f \n \r \t"`, `"é😀 grüße 🎉"`, `{"nested":{"deep":[[{"x":"y"}]]},"k":"v"}`,
	`[{"path":"a.js","source":"line\nline"},{"path":"b.js","source":"\t\"q\""}]`, `0`, `"` + strings.Repeat(`ab\n`, 40_000) + `"`,
	`{"a":1,}`, `[1,]`, `[1 2]`, `{"a" 1}`, `{"a":}`, `{a:1}`, `"unended`, `"bad \x escape"`, `"\u12"`, `"\uZZZZ"`, `[`, `{"a"`, `nul`, ``,
	"\"control \x01\"", `{"a":1}}`, `[]x`,
}

func TestTheScannerReadsWhatEncodingJSONReads(t *testing.T) {
	for _, document := range documents {
		for name, reader := range map[string]io.Reader{
			"whole": strings.NewReader(document), "by bytes": iotest.OneByteReader(strings.NewReader(document)),
		} {
			var want any
			wantErr := json.Unmarshal([]byte(document), &want)
			scanner := newJSONScanner(reader)
			var got any
			err := scanner.decode(&got)
			if err == nil {
				err = scanner.end()
			}
			if (err == nil) != (wantErr == nil) || err == nil && !reflect.DeepEqual(got, want) {
				t.Errorf("%s %.60q: got %v, %v; want %v, %v", name, document, got, err, want, wantErr)
			}
		}
	}
}

func TestTheScannerRefusesLoneSurrogatesAndBadUTF8(t *testing.T) {
	for _, document := range []string{`"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\ud83d\n"`, "\"\xff\""} {
		if text, err := newJSONScanner(strings.NewReader(document)).text(); err == nil {
			t.Errorf("%q was read as %q", document, text)
		}
	}
}

func TestTheScannerPassesOnReadErrors(t *testing.T) {
	for _, document := range []string{``, `{"a":`, `{"a":"tex`, `{"a":12`, `"\u00`} {
		body := io.MultiReader(strings.NewReader(document), iotest.ErrReader(protocol.ErrBodyTooLarge))
		if err := newJSONScanner(body).skip(); !errors.Is(err, protocol.ErrBodyTooLarge) && document != `"\u00` {
			t.Errorf("%q: got %v", document, err)
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, document := range documents[:15] {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document string) {
		raw, err := newJSONScanner(strings.NewReader(document)).raw(nil)
		if err == nil && json.Valid([]byte(document)) {
			var got, want any
			if json.Unmarshal(raw, &got) != nil || json.Unmarshal([]byte(document), &want) != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%q was read as %s", document, raw)
			}
		}
	})
}
