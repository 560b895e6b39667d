package accesslog

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// recordVar is where a request keeps its record between the routes and the error
// routes.
const recordVar = "tale.accesslog.record"

// record is one request, as the log will have it. It also is the writer of the
// answer, to see the status and the length.
type record struct {
	caddyhttp.ResponseWriterWrapper

	began    time.Time
	id       string
	method   string
	host     string
	path     string
	query    string
	proto    string
	clientIP string

	status    int
	firstByte time.Duration // after began, when the answer's header was sent
	bytes     int64
	err       error      // why the proxy answered and not the upstream
	refused   bool       // err is the visitor's fault
	observers *observers // of the upstream that the request is for
}

// newRecord must be called before other handlers change the request.
func newRecord(w http.ResponseWriter, r *http.Request) *record {
	clientIP, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return &record{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		began:                 time.Now(),
		id:                    requestID(r.Header[exchange.IDHeader]),
		method:                r.Method,
		host:                  r.Host,
		path:                  r.URL.EscapedPath(),
		query:                 r.URL.RawQuery,
		proto:                 r.Proto,
		clientIP:              clientIP,
	}
}

// WriteHeader notes the status of the final answer. The id replaces one that an
// upstream sends back: there must be one, and it is the one in the log.
func (rec *record) WriteHeader(status int) {
	if rec.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		rec.status, rec.firstByte = status, time.Since(rec.began)
		rec.setID()
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *record) setID() { rec.Header()[exchange.IDHeader] = []string{rec.id} }

// finalStatus returns what the client got. A handler that writes nothing answers 200,
// and the error routes' own error has its own status.
func (rec *record) finalStatus() int {
	if rec.status != 0 {
		return rec.status
	}
	if handlerErr, ok := errors.AsType[caddyhttp.HandlerError](rec.err); ok {
		return handlerErr.StatusCode
	}
	return http.StatusOK
}

// Write counts what is written.
func (rec *record) Write(p []byte) (int, error) {
	rec.implicitOK()
	n, err := rec.ResponseWriter.Write(p)
	rec.bytes += int64(n)
	return n, err
}

// ReadFrom counts what is copied.
func (rec *record) ReadFrom(src io.Reader) (int64, error) {
	rec.implicitOK()
	n, err := rec.ResponseWriterWrapper.ReadFrom(src)
	rec.bytes += n
	return n, err
}

func (rec *record) implicitOK() {
	if rec.status == 0 {
		rec.WriteHeader(http.StatusOK)
	}
}

// upstream returns the address the request was sent to last, if it was sent anywhere.
func upstream(r *http.Request) string {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return ""
	}
	address, _ := repl.GetString("http.reverse_proxy.upstream.hostport")
	return address
}

// Interface guards
var (
	_ http.ResponseWriter = (*record)(nil)
	_ io.ReaderFrom       = (*record)(nil)
)
