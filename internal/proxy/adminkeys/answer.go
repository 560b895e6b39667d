package adminkeys

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Answers{}) }

// Answers answers 503 instead of passing on a JSON document that names admin
// keys. While the Convex dashboard starts, its port can be answered by a list of
// deployments with their keys, meant for the dashboard on the same machine.
type Answers struct{}

// CaddyModule returns the Caddy module information.
func (Answers) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_admin_keys",
		New: func() caddy.Module { return new(Answers) },
	}
}

// ServeHTTP holds JSON answers back until they have been looked through.
func (h Answers) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	// A compressed answer could not be read; our own encoder compresses it later.
	r.Header.Del("Accept-Encoding")
	var body bytes.Buffer
	recorder := caddyhttp.NewResponseRecorder(w, &body, func(_ int, header http.Header) bool { return mayBeJSON(header) })
	if err := next.ServeHTTP(recorder, r); err != nil || !recorder.Buffered() {
		return err
	}
	if !namesAdminKey(body.Bytes()) {
		return recorder.WriteResponse()
	}
	header := w.Header()
	for _, name := range []string{"Content-Type", "Content-Length", "Etag", "Last-Modified", "Set-Cookie"} {
		header.Del(name)
	}
	return caddyhttp.Error(http.StatusServiceUnavailable, errors.New("the dashboard is starting: its answer contained admin keys"))
}

// mayBeJSON goes by the declared type; an answer without one is looked at, too,
// because browsers would sniff it.
func mayBeJSON(header http.Header) bool {
	declared := header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(declared)
	return err != nil || kind == "text/plain" || kind == "application/json" || kind == "text/json" || strings.HasSuffix(kind, "+json")
}

func namesAdminKey(body []byte) bool {
	folded := bytes.ToLower(body)
	return bytes.Contains(folded, []byte(`"adminkey"`)) || bytes.Contains(folded, []byte(`"admin_key"`)) || bytes.Contains(folded, []byte(`"deploykey"`))
}

var _ caddyhttp.MiddlewareHandler = Answers{}
