package assets

import (
	"bytes"
	cgzip "compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ab "github.com/andybalholm/brotli"
	kz "github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tale-project/tale-runtime/internal/proxy/limits"
)

// keptVisit returns a visit to a compressed file, with a date and an ETag.
func keptVisit(t *testing.T) (*shelf, *visit) {
	t.Helper()
	sh := newShelf(t, 64<<20)
	if err := sh.keep(name(0), text); err != nil {
		t.Fatal(err)
	}
	sh.compress()
	f := sh.find(name(0))
	f.Tag, f.modified = `W/"app-1"`, time.Unix(1_700_000_000, 0)
	f.Header.Set("Last-Modified", f.modified.UTC().Format(http.TimeFormat))
	c, err := register(prometheus.NewRegistry(), sh.store)
	if err != nil {
		t.Fatal(err)
	}
	return sh, &visit{h: &Handler{store: sh.store, counters: c, visitors: new(limits.App)}, file: f}
}

func (v *visit) get(t *testing.T, method string, header http.Header) *http.Response {
	t.Helper()
	v.r = httptest.NewRequest(method, name(0), nil)
	v.r.Header = header
	w := httptest.NewRecorder()
	if !v.answer(w, fromStore) {
		t.Fatal("not answered")
	}
	return w.Result()
}

func decoded(t *testing.T, response *http.Response) string {
	t.Helper()
	var r io.Reader = response.Body
	switch response.Header.Get("Content-Encoding") {
	case "br":
		r = ab.NewReader(r)
	case "zstd":
		d, err := kz.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		r = d
	case "gzip":
		d, err := cgzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = d
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestVisitorsGetTheEncodingThatTheyLikeBest(t *testing.T) {
	_, v := keptVisit(t)
	for accept, want := range map[string]string{
		"gzip, deflate, br, zstd": "br", "gzip, deflate, br": "br", "gzip": "gzip", "zstd": "zstd", "GZIP": "gzip", "x-gzip": "gzip", "deflate": "", "": "", "identity": "",
		"br;q=0.5, gzip": "gzip", "br;q=0, gzip;q=0.1": "gzip", "br;q=0": "", "*": "br", "*;q=0.5, br;q=0": "zstd|gzip", "gzip;q=1.0, *;q=0": "gzip",
		"br;q=0.8, zstd;q=0.9, gzip;q=0.8": "zstd", "identity;q=0.9, br;q=0.5": "", "identity;q=0.5, br;q=0.5": "br", "identity;q=0, gzip": "gzip", "br;q=bogus, gzip": "gzip",
		"br ; q=0.9 , zstd ;q=0.1": "br", "*;q=0": "", "br;Q=1": "br", "br;q=2, gzip": "gzip", "br;q=-1": "", "identity;q=0": "",
	} {
		response := v.get(t, http.MethodGet, http.Header{"Accept-Encoding": {accept}})
		got := response.Header.Get("Content-Encoding")
		if !strings.Contains("|"+want+"|", "|"+got+"|") {
			t.Errorf("%q: got %q", accept, got)
		}
		if decoded(t, response) != text || response.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: not the file, or Vary is %q", accept, response.Header.Get("Vary"))
		}
	}
	if response := v.get(t, http.MethodGet, http.Header{"Accept-Encoding": {"gzip;q=0.5", "br"}}); response.Header.Get("Content-Encoding") != "br" {
		t.Error("the second line is not read")
	}
}

func TestHeadSaysWhatGetSays(t *testing.T) {
	_, v := keptVisit(t)
	for _, accept := range []string{"br", "zstd", "gzip", "identity"} {
		header := http.Header{"Accept-Encoding": {accept}}
		get, head := v.get(t, http.MethodGet, header), v.get(t, http.MethodHead, header)
		body, _ := io.ReadAll(get.Body)
		none, _ := io.ReadAll(head.Body)
		if len(none) != 0 || fmt.Sprint(get.Header) != fmt.Sprint(head.Header) || get.Header.Get("Content-Length") != fmt.Sprint(len(body)) {
			t.Errorf("%s: GET %v with %d bytes, HEAD %v with %d", accept, get.Header, len(body), head.Header, len(none))
		}
	}
}

func TestFormsHaveETagsOfTheirOwnAndEachIsKnown(t *testing.T) {
	_, v := keptVisit(t)
	tags := map[string]bool{}
	for _, accept := range []string{"br", "zstd", "gzip", "identity"} {
		tag := v.get(t, http.MethodGet, http.Header{"Accept-Encoding": {accept}}).Header.Get("Etag")
		tags[tag] = true
		for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*", `W/"app-1"`, `"app-1"`, `"app-1-zstd"`} {
			response := v.get(t, http.MethodGet, http.Header{"Accept-Encoding": {accept}, "If-None-Match": {known}})
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusNotModified || len(body) != 0 || response.Header.Get("Etag") != tag || response.Header.Get("Vary") == "" || response.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s: %d %v", known, response.StatusCode, response.Header)
			}
		}
		unknown := v.get(t, http.MethodGet, http.Header{"Accept-Encoding": {accept}, "If-None-Match": {`"other"`}, "If-Modified-Since": {"Fri, 01 Jan 2044 00:00:00 GMT"}})
		if unknown.StatusCode != http.StatusOK || decoded(t, unknown) != text {
			t.Errorf("an unknown ETag: %d", unknown.StatusCode)
		}
	}
	if len(tags) != 4 {
		t.Errorf("the ETags are %v", tags)
	}
	for date, want := range map[string]int{"Tue, 14 Nov 2023 22:13:20 GMT": 304, "Tue, 14 Nov 2023 22:13:19 GMT": 200, "yesterday": 200} {
		if got := v.get(t, http.MethodGet, http.Header{"If-Modified-Since": {date}}).StatusCode; got != want {
			t.Errorf("since %s: %d", date, got)
		}
	}
}

func TestRangesAreOfThePlainBytes(t *testing.T) {
	_, v := keptVisit(t)
	plain := v.get(t, http.MethodGet, http.Header{}).Header.Get("Etag")
	compressed := v.get(t, http.MethodGet, http.Header{"Accept-Encoding": {"br"}}).Header.Get("Etag")
	for _, test := range []struct {
		header http.Header
		status int
		body   string
	}{
		{http.Header{"Range": {"bytes=0-9"}}, 206, text[:10]},
		{http.Header{"Range": {"bytes=-5"}}, 206, text[len(text)-5:]},
		{http.Header{"Range": {"bytes=5-9"}, "If-Range": {plain}}, 206, text[5:10]},
		{http.Header{"Range": {"bytes=5-9"}, "If-Range": {compressed}}, 200, text},
		{http.Header{"Range": {"bytes=999999-"}}, 416, ""},
		{http.Header{"Range": {"lines=1-2"}}, 416, ""},
		{http.Header{"If-Match": {plain}}, 200, text},
		{http.Header{"If-Match": {`"other", ` + plain}}, 200, text},
		{http.Header{"If-Match": {"*"}}, 200, text},
		{http.Header{"If-Match": {`"other"`}}, 412, ""},
		{http.Header{"If-Match": {"W/" + plain}}, 412, ""},
		{http.Header{"If-Match": {compressed}}, 412, ""},
	} {
		test.header.Set("Accept-Encoding", "br, gzip")
		response := v.get(t, http.MethodGet, test.header)
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != test.status || test.body != "" && !bytes.Equal(body, []byte(test.body)) || response.Header.Get("Content-Encoding") != "" {
			t.Errorf("%v: %d %v, %d bytes", test.header, response.StatusCode, response.Header, len(body))
		}
	}
	if v.get(t, http.MethodGet, http.Header{"Accept-Encoding": {"br"}}).Header.Get("Accept-Ranges") != "" {
		t.Error("ranges of a compressed form are offered")
	}
}
