package requestfile

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

// someText returns anything between noise and one word over and over.
func someText(random *rand.Rand) []byte {
	words := []string{"export const ", "function", "return ", "\\n", "the quick brown fox", "Content-Type: text/html", pushtest.Awkward}
	var text bytes.Buffer
	for size := 1 << random.IntN(17); text.Len() < size; {
		switch random.IntN(4) {
		case 0:
			text.WriteByte(byte(random.Uint32()))
		case 1:
			text.WriteString(words[random.IntN(len(words))])
		case 2:
			text.Write(bytes.Repeat([]byte{byte(random.Uint32())}, random.IntN(300)))
		default:
			from := random.IntN(text.Len() + 1)
			text.Write(bytes.Clone(text.Bytes()[from:min(text.Len(), from+random.IntN(2000))]))
		}
	}
	return append(text.Bytes(), 'x')
}

func decoded(t testing.TB, stream ...[]byte) []byte {
	t.Helper()
	text, err := io.ReadAll(brotli.NewReader(bytes.NewReader(bytes.Join(stream, nil))))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Fragments may come in any order, each as often as wanted, between stored texts.
func TestFragmentsInAnyOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	f := newFragmenter()
	var texts, fragments [][]byte
	for range 60 {
		text := someText(random)
		fragment, err := f.fragment(text)
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(4) == 0 {
			fragment = Stored(text)
		}
		texts, fragments = append(texts, text), append(fragments, fragment)
	}
	for range 3 {
		want, stream := []byte{}, bytes.Clone(streamHead)
		for range 100 {
			i := random.IntN(len(texts))
			want, stream = append(want, texts[i]...), append(stream, fragments[i]...)
		}
		if got := decoded(t, stream, streamEnd); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
	}
}

func TestPiecesGiveThePartsOfTheRequest(t *testing.T) {
	request := pushtest.NewRequest()
	request.AppDefinition.ChangedModules[0].Source += strings.Repeat("// a comment\n", 10_000)
	path := request.Write(t)
	index, err := WriteIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	pieces, err := r.Pieces()
	if err != nil {
		t.Fatal(err)
	}
	functions := index.Functions()
	for name, at := range map[string]jsonscan.Span{
		"the whole":   {Start: 0, End: index.Size},
		"one module":  functions[0].At,
		"a run":       {Start: functions[0].At.Start, End: functions[2].At.End},
		"after a key": {Start: index.Key.End, End: index.ChangedModules.Start},
		"nothing":     {Start: index.Key.End, End: index.Key.End},
	} {
		section := pieces.Section(at)
		if section == nil {
			t.Errorf("%s: no section", name)
			continue
		}
		compressed, err := io.ReadAll(section)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]byte, at.Length())
		if _, err := r.ReadAt(want, at.Start); err != nil {
			t.Fatal(err)
		}
		if got := decoded(t, streamHead, compressed, streamEnd); !bytes.Equal(got, want) {
			t.Errorf("%s: %.80q, want %.80q", name, got, want)
		}
	}
	for name, at := range map[string]jsonscan.Span{
		"begins elsewhere": {Start: functions[0].At.Start + 1, End: functions[0].At.End}, "ends elsewhere": {Start: 0, End: 5},
		"backwards": {Start: functions[1].At.End, End: functions[0].At.Start},
	} {
		if pieces.Section(at) != nil {
			t.Errorf("%s: a section", name)
		}
	}
}
