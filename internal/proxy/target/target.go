package target

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Handler{}) }

// Handler gives a request one target, which everything behind it decides on and
// sends upstream. It must stand ahead of everything that looks at one.
//
//   - An escape of an unreserved character becomes the character (RFC 3986,
//     section 6.2.2.2), and a byte that a path cannot have its escape. Every other
//     escape stays as it was written: %2F is data and never a slash.
//   - Slashes at the beginning become one, and those in the middle if the path is
//     closed otherwise. Dot segments are resolved.
//   - What servers read in different ways is answered 400: control characters,
//     bytes that are no UTF-8, backslashes, fragments, dot segments beside escapes,
//     parameters or empty segments, dot segments that only some servers see, and a
//     path that one server or another reads as one of a closed row while it would
//     get through another row (see readers). So are targets that are no path, hosts
//     that are neither a name nor an address, and methods that are not in capitals,
//     which some servers change.
type Handler struct {
	// Rows are those of the route table behind it, in their order. Default: none.
	Rows []Row `json:"rows,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_target",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision reads the patterns.
func (t *Handler) Provision(caddy.Context) error {
	for i := range t.Rows {
		t.Rows[i].patterns = NewPatterns(t.Rows[i].Paths)
	}
	return nil
}

// ServeHTTP changes the request and passes it on.
func (t *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if !isMethod(r.Method) {
		return caddyhttp.Error(http.StatusBadRequest, errors.New("the method is not a word in capitals"))
	}
	if r.Method == http.MethodConnect && !exchange.IsWebSocket(r) {
		return caddyhttp.Error(http.StatusMethodNotAllowed, nil)
	}
	if _, ok := HostName(r.Host); !ok {
		return caddyhttp.Error(http.StatusBadRequest, errors.New("the host is neither a name nor an address"))
	}
	if err := t.canonicalize(r); err != nil {
		return caddyhttp.Error(http.StatusBadRequest, err)
	}
	return next.ServeHTTP(w, r)
}

func isMethod(method string) bool {
	for _, c := range []byte(method) {
		if (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return method != ""
}

// canonicalize gives the request its target, and the same to what Caddy keeps of the
// request for its error routes and for placeholders.
func (t *Handler) canonicalize(r *http.Request) error {
	if err := checkForm(r.URL); err != nil {
		return err
	}
	raw := rawPath(r.URL)
	path, err := t.canonical(raw)
	if err != nil {
		return err
	}
	if path == raw && r.URL.Scheme == "" {
		return nil
	}
	r.URL.Scheme, r.URL.Host = "", ""
	setPath(r, path)
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		*original.URL = *r.URL
	}
	return nil
}

// checkForm refuses targets that are no path with a query, on a host at most.
func checkForm(u *url.URL) error {
	switch {
	case u.Opaque != "", u.Path != "" && u.Path[0] != '/':
		return errors.New("the target is no path")
	case u.Scheme != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil):
		return errors.New("the target is no address of a site")
	case strings.ContainsAny(u.RawQuery, " #"):
		return errors.New("there is a space or a fragment in the query")
	}
	return nil
}

// rawPath returns the path as it was sent. (EscapedPath is not: of a path with a byte
// that should be an escape it makes a new one, in which %2F is a slash.)
func rawPath(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.EscapedPath()
}

// setPath changes the path; the query stays.
func setPath(r *http.Request, raw string) {
	r.URL.Path, r.URL.RawPath = decoded(raw), raw
	r.RequestURI = r.URL.RequestURI()
}

// canonical returns the one form of a path.
func (t *Handler) canonical(raw string) (string, error) {
	if isPlain(raw) && ofPage(raw) == raw {
		return raw, nil
	}
	path, err := normalized(raw)
	if err != nil {
		return "", err
	}
	path = "/" + strings.TrimLeft(path, "/")
	if hasDots(path) {
		if strings.ContainsAny(path, "%;") || strings.Contains(path, "//") {
			return "", errors.New("there are dot segments beside escapes, parameters or empty segments")
		}
		path = resolved(path)
	}
	if err := check(path, t.Rows); err == nil || !strings.Contains(path, "//") {
		return path, err
	}
	path = mergeSlashes(path)
	return path, check(path, t.Rows)
}

var (
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
)
