package header

import (
	"net/http"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Response{}) }

// Response sets the headers that every answer carries, from any source, at
// the last moment: when the status is written.
type Response struct {
	// Missing are set only where the answer does not have them: security
	// headers belong to the application. Default: none.
	Missing map[string]string `json:"missing,omitempty"`
	// Drop names headers that no answer keeps. Default: none.
	Drop []string `json:"drop,omitempty"`
	// AltSvc says over TLS where HTTP/3 is offered, instead of what an upstream says.
	// Default: no change.
	AltSvc string `json:"alt_svc,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Response) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_response",
		New: func() caddy.Module { return new(Response) },
	}
}

// ServeHTTP lets the rest of the chain answer through a writer that adds the
// headers.
func (h *Response) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.AltSvc != "" && r.TLS != nil && r.ProtoMajor < 3 {
		w.Header()["Alt-Svc"] = []string{h.AltSvc}
	}
	// Over HTTP/3 a 100 is passed on; before, net/http's server sends one by itself
	// when the body is first read, which is when the upstream has asked for it.
	return next.ServeHTTP(&responseWriter{exchange.HeaderWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, Before: h.apply,
	}, h, r.ProtoMajor < 3}, r)
}

func (h *Response) apply(header http.Header, _ int) {
	h.hide(header)
	for name, value := range h.Missing {
		if _, there := header[name]; !there {
			header[name] = []string{value}
		}
	}
}

// hide is for informational answers, too.
func (h *Response) hide(header http.Header) {
	for _, name := range h.Drop {
		delete(header, name)
	}
	if h.AltSvc != "" && header["Alt-Svc"] != nil {
		header["Alt-Svc"] = []string{h.AltSvc}
	}
}

// responseWriter is the outermost, which sees informational answers as they go out.
type responseWriter struct {
	exchange.HeaderWriter
	response *Response
	overTCP  bool // the server is that of net/http; else it speaks HTTP/3
}

func (w *responseWriter) WriteHeader(status int) {
	switch {
	case status == http.StatusContinue && w.overTCP:
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.response.hide(w.Header())
		w.inform(status)
		return
	}
	w.HeaderWriter.WriteHeader(status)
}

// inform sends an informational answer. A server of HTTP/2 may still read its header when
// the visitor has reset the stream and the reverse proxy goes on to change it, which ends
// the process. It reads a copy where it has a length to leave out.
func (w *responseWriter) inform(status int) {
	header := w.Header()
	if _, there := header["Content-Length"]; !there && w.overTCP { // HTTP/3 would send it
		header["Content-Length"] = []string{"0"}
		defer delete(header, "Content-Length")
	}
	w.HeaderWriter.WriteHeader(status)
}

// Provision brings header names into the form that header maps have.
func (h *Response) Provision(caddy.Context) error {
	for i, name := range h.Drop {
		h.Drop[i] = http.CanonicalHeaderKey(name)
	}
	missing := make(map[string]string, len(h.Missing))
	for name, value := range h.Missing {
		missing[http.CanonicalHeaderKey(name)] = value
	}
	h.Missing = missing
	return nil
}

var (
	_ caddyhttp.MiddlewareHandler = (*Response)(nil)
	_ caddy.Provisioner           = (*Response)(nil)
)
