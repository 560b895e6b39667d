package exchange

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Whatever sends the header, Before has its last word on it once.
func TestBeforeIsCalledOnceForTheFinalAnswer(t *testing.T) {
	for name, tt := range map[string]struct {
		answer func(w *HeaderWriter)
		want   []int
	}{
		"a status":        {func(w *HeaderWriter) { w.WriteHeader(http.StatusTeapot) }, []int{418}},
		"bytes":           {func(w *HeaderWriter) { _, _ = io.WriteString(w, "x") }, []int{200}},
		"a file":          {func(w *HeaderWriter) { _, _ = w.ReadFrom(strings.NewReader("x")) }, []int{200}},
		"a flush":         {func(w *HeaderWriter) { _ = w.FlushError() }, []int{200}},
		"a tunnel":        {func(w *HeaderWriter) { w.WriteHeader(http.StatusSwitchingProtocols) }, []int{101}},
		"nothing":         {func(*HeaderWriter) {}, nil},
		"an early answer": {func(w *HeaderWriter) { w.WriteHeader(http.StatusEarlyHints) }, nil},
		"all of it": {func(w *HeaderWriter) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNotFound)
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "x")
			_ = w.FlushError()
		}, []int{404}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tt.answer(&HeaderWriter{
					ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
					Before: func(header http.Header, status int) {
						header.Set("X-Before", "yes")
						got = append(got, status)
					},
				})
			}))
			response, err := http.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			server.Close()
			if !slices.Equal(got, tt.want) {
				t.Errorf("called with %v, want %v", got, tt.want)
			}
			if sent := response.Header.Get("X-Before"); (sent == "yes") != (tt.want != nil) {
				t.Errorf("X-Before was sent as %q", sent)
			}
		})
	}
}
