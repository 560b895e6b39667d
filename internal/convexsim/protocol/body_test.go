package protocol_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

func TestABodyMayBeAsLongAsItsLimit(t *testing.T) {
	for length, want := range map[int]error{0: nil, 9: nil, 10: nil, 11: protocol.ErrBodyTooLarge, 5000: protocol.ErrBodyTooLarge} {
		for name, body := range map[string]io.Reader{
			"whole": strings.NewReader(strings.Repeat("x", length)), "by bytes": iotest.OneByteReader(strings.NewReader(strings.Repeat("x", length))),
		} {
			if _, err := io.ReadAll(protocol.LimitBody(body, 10)); !errors.Is(err, want) {
				t.Errorf("%d bytes, %s: got %v, want %v", length, name, err, want)
			}
		}
	}
}

func TestWhichContentTypesAreJSON(t *testing.T) {
	for contentType, json := range map[string]bool{
		"application/json": true, "Application/JSON; charset=utf-8": true, "application/problem+json": true,
		"": false, "text/json": false, "application/jsonp": false, "application": false, "json": false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
		r.Header.Set("Content-Type", contentType)
		if _, err := protocol.OpenJSON(r, 10); (err == nil) != json {
			t.Errorf("%q: got %v", contentType, err)
		}
	}
}

func TestWhichFailuresHaveThePrefixOfAPush(t *testing.T) {
	other := errors.New("other")
	for err, want := range map[error]string{
		protocol.BadRequest("Code", "text"): "400 Code: Hit an error while pushing:\ntext",
		protocol.InternalError():            protocol.InternalError().Error(), protocol.TimedOut(): "408 Request Timeout", other: "other",
	} {
		if got := protocol.WhilePushing(err).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
