package exchange

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// HeaderWriter calls Before with the header and status of the final answer
// before they are written.
type HeaderWriter struct {
	caddyhttp.ResponseWriterWrapper
	Before func(header http.Header, status int)
	wrote  bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *HeaderWriter) WriteHeader(status int) {
	// Informational answers come before the final one and have their own headers;
	// 101 is final, and a tunnel begins after it.
	if !w.wrote && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.wrote = true
		w.Before(w.Header(), status)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *HeaderWriter) Write(data []byte) (int, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(data)
}

// ReadFrom implements [io.ReaderFrom].
func (w *HeaderWriter) ReadFrom(r io.Reader) (int64, error) {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError exists because a flush sends the headers. Unwrap alone would let the
// caller reach the writer below, past Before.
func (w *HeaderWriter) FlushError() error {
	if !w.wrote {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

var (
	_ io.ReaderFrom       = (*HeaderWriter)(nil)
	_ http.ResponseWriter = (*HeaderWriter)(nil)
)
