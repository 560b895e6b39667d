package header

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

var validators = &Validators{Encodings: []string{"zstd", "gzip"}}

func TestAnUpstreamGetsItsOwnTags(t *testing.T) {
	for sent, want := range map[string]string{
		`"v1"`:                   `"v1"`,
		`"v1-gzip"`:              `"v1"`,
		`"v1-zstd"`:              `"v1"`,
		`W/"v1-gzip"`:            `W/"v1"`,
		`"a-gzip", "b","c-zstd"`: `"a", "b","c"`,
		`"a, b-gzip"`:            `"a, b"`,
		`"-gzip"`:                `""`,
		`"v1-br"`:                `"v1-br"`,
		`"v1-gzipped"`:           `"v1-gzipped"`,
		`*`:                      `*`,
		``:                       ``,
		`v1-gzip`:                `v1-gzip`,
	} {
		for _, ranged := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPut, "/", nil)
			r.Header = http.Header{"If-Match": {sent, sent}, "If-None-Match": {sent}, "If-Range": {sent}, "If-Unmodified-Since": {sent}}
			wanted := http.Header{"If-Match": {want, want}, "If-None-Match": {want}, "If-Range": {sent}, "If-Unmodified-Since": {sent}}
			if ranged { // of an encoded answer there are no ranges
				r.Header["Range"] = []string{"bytes=1-"}
				wanted["Range"], wanted["If-Match"] = r.Header["Range"], []string{sent, sent}
			}
			_ = validators.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
				if !reflect.DeepEqual(r.Header, wanted) {
					t.Errorf("%s became %v", sent, r.Header)
				}
				return nil
			}))
		}
	}
}

func TestTheVisitorKnowsTheTagOfA304(t *testing.T) {
	for _, tt := range []struct {
		sent, tag, want string
		status          int
	}{
		{`"v1-gzip"`, `"v1"`, `"v1-gzip"`, 304},
		{`"v0-gzip", "v1-zstd"`, `"v1"`, `"v1-zstd"`, 304},
		{`"v1"`, `"v1"`, `"v1"`, 304},
		{`"v1", "v1-gzip"`, `"v1"`, `"v1"`, 304},
		{`*`, `"v1"`, `"v1"`, 304},
		{`W/"v1"`, `W/"v1"`, `W/"v1"`, 304},
		{`"v1-gzip"`, `"v1"`, `"v1"`, 412},
		{`"v1-gzip"`, `"v2"`, `"v2"`, 200},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{"If-None-Match": strings.SplitAfter(tt.sent, ", ")}
		recorded := httptest.NewRecorder()
		_ = validators.ServeHTTP(recorded, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header()["Etag"] = []string{tt.tag}
			w.WriteHeader(tt.status)
			return nil
		}))
		if got := recorded.Header().Get("Etag"); got != tt.want {
			t.Errorf("%d for %s: %s, want %s", tt.status, tt.sent, got, tt.want)
		}
	}
}
