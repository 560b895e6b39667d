package assets

import (
	"io"
	"maps"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// watcher is the writer of an answer of the application. It learns from its header
// what there is to keep, looks through pages, and can hold back that something is
// missing.
type watcher struct {
	caddyhttp.ResponseWriterWrapper
	visit *visit
	// header is the answer's own as long as it may be held back; nil: it may not.
	header  http.Header
	missing bool // it was held back
	status  int
	decided bool
	page    *references
}

func (w *watcher) Header() http.Header {
	if w.header != nil {
		return w.header
	}
	return w.ResponseWriter.Header()
}

// holdBack makes an answer that says that there is no such file go nowhere.
func (w *watcher) holdBack() { w.header = w.ResponseWriter.Header().Clone() }

func (w *watcher) WriteHeader(status int) {
	switch {
	case w.missing:
		return
	case status < http.StatusOK && status != http.StatusSwitchingProtocols:
		if w.header == nil {
			w.ResponseWriter.WriteHeader(status)
		}
		return
	case w.header != nil && isMissing(status, w.header):
		w.missing, w.status = true, status
		return
	}
	w.decide(status)
	w.ResponseWriter.WriteHeader(status)
}

func (w *watcher) decide(status int) {
	if w.decided {
		return
	}
	w.decided = true
	if w.header != nil {
		to := w.ResponseWriter.Header()
		clear(to)
		maps.Copy(to, w.header)
		w.header = nil
	}
	w.page = w.visit.learn(status, w.ResponseWriter.Header())
}

// isMissing reports whether an answer to a request for a file says that it is not
// there, or that the application cannot say. Many applications have a page for that.
func isMissing(status int, header http.Header) bool {
	return status == http.StatusNotFound || status == http.StatusGone || status >= http.StatusInternalServerError || status == http.StatusOK && isPage(header)
}

func (w *watcher) Write(p []byte) (int, error) {
	if !w.decided && !w.missing {
		w.WriteHeader(http.StatusOK)
	}
	if w.missing {
		return len(p), nil
	}
	if w.page != nil {
		_, _ = w.page.Write(p) // never fails
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom copies answers that are not looked through.
func (w *watcher) ReadFrom(from io.Reader) (int64, error) {
	if !w.decided && !w.missing {
		w.WriteHeader(http.StatusOK)
	}
	if w.missing || w.page != nil {
		return io.Copy(writerOnly{w}, from)
	}
	return w.ResponseWriterWrapper.ReadFrom(from)
}

// FlushError exists because a flush sends the header. Unwrap alone would let the
// caller reach the writer below.
func (w *watcher) FlushError() error {
	if !w.decided && !w.missing {
		w.WriteHeader(http.StatusOK)
	}
	if w.missing {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *watcher) end() {
	if w.page != nil {
		w.page.Close()
	}
}

var (
	_ http.ResponseWriter = (*watcher)(nil)
	_ io.ReaderFrom       = (*watcher)(nil)
)
