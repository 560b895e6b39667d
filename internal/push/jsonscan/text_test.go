package jsonscan

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

// FuzzTextDecoder compares with encoding/json, on any text and any cut of it
// into reads.
func FuzzTextDecoder(f *testing.F) {
	for _, seed := range []string{"", pushtest.Awkward, `\ud83d\ude00`, `\ud83d`, `\ud83dx\ude00`, `\u00e9\/\b\f`, `\x`, `\u12`, `\`, "\\\\\\\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, inner string) {
		compareText(t, inner, func(r io.Reader) io.Reader { return r })
		compareText(t, inner, iotest.OneByteReader)
	})
}

func compareText(t *testing.T, inner string, wrap func(io.Reader) io.Reader) {
	t.Helper()
	var want string
	valid := json.Unmarshal([]byte(`"`+inner+`"`), &want) == nil
	var got bytes.Buffer
	err := NewTextDecoder().Decode(&got, wrap(strings.NewReader(inner)))
	// What the scanner lets through is valid JSON but for its escapes.
	if valid && strings.ToValidUTF8(inner, "") == inner && (err != nil || got.String() != want) {
		t.Errorf("%q: got %q, want %q (%v)", inner, got.String(), want, err)
	}
}

func TestTextDecoderOverTheEdgesOfItsBuffers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{strings.Repeat("x", 70<<10), strings.Repeat("y", 33<<10), strings.Repeat("z", 1<<10), "\n\"\\", "é😀\u2028", "\x01"}
	decoder := NewTextDecoder()
	for range 50 {
		var text strings.Builder
		for range 20 {
			text.WriteString(pieces[random.IntN(len(pieces))])
			text.WriteString(strings.Repeat("ab\n", random.IntN(9)))
		}
		raw, err := json.Marshal(text.String())
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := decoder.Decode(&got, bytes.NewReader(raw[1:len(raw)-1])); err != nil {
			t.Fatal(err)
		}
		if got.String() != text.String() {
			t.Fatal("a long text is not decoded as encoding/json encoded it")
		}
	}
}

// FuzzJSONScanner: what encoding/json accepts is accepted, and the rest refused.
func FuzzJSONScanner(f *testing.F) {
	for _, seed := range []string{`{}`, `[]`, ` {"a":[1,2.5e3,true,null,"x\"y"],"b":{}} `, `{"a"}`, `[1,]`, `{"a":1,}`, `nul`, `"`, `[1 2]`, "[\"\x01\"]", `1 2`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, document string) {
		s := NewScanner(strings.NewReader(document))
		at, err := s.Skip()
		if err == nil {
			err = s.End()
		}
		valid := json.Valid([]byte(document))
		if valid && err != nil {
			t.Errorf("%q refused: %v", document, err)
		}
		if valid && strings.TrimSpace(document) != document[at.Start:at.End] && !strings.ContainsAny(document, "\v\f\u0085\u00a0") {
			t.Errorf("%q is at %v", document, at)
		}
		// Escapes inside strings are checked where they are decoded.
		if !valid && err == nil && !strings.Contains(document, `\`) {
			t.Errorf("%q accepted", document)
		}
	})
}
