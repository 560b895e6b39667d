package target

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(BasePath{}) }

// BasePath serves what follows it under a path prefix: the prefix is removed
// from the request and put back into the answer, where applications that do not
// know of it name their own paths: in Location and in the Path of cookies.
// The route it stands in must match the prefix on whole segments.
type BasePath struct {
	// Prefix, with a slash at its beginning and none at its end. Required.
	Prefix string `json:"prefix"`
}

// CaddyModule returns the Caddy module information.
func (BasePath) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_base_path",
		New: func() caddy.Module { return new(BasePath) },
	}
}

// Validate refuses a prefix that cannot be put before a path.
func (b *BasePath) Validate() error {
	if !strings.HasPrefix(b.Prefix, "/") || strings.HasSuffix(b.Prefix, "/") {
		return fmt.Errorf("the prefix %q does not begin with a slash, or ends in one", b.Prefix)
	}
	return nil
}

// ServeHTTP removes the prefix and mends the answer.
func (b *BasePath) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	host := r.Host
	raw, err := stripped(rawPath(r.URL), b.Prefix)
	if err != nil {
		return err
	}
	setPath(r, raw)
	return next.ServeHTTP(&exchange.HeaderWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		Before:                func(header http.Header, _ int) { b.mend(header, host) },
	}, r)
}

func (b *BasePath) mend(header http.Header, host string) {
	if location := header.Get("Location"); location != "" {
		header.Set("Location", b.location(location, host))
	}
	for i, cookie := range header["Set-Cookie"] {
		header["Set-Cookie"][i] = b.cookie(cookie)
	}
}

// location puts the prefix into a URL of this site that lacks it: one that
// begins with a path, or names this host. Anything else is left as it is.
func (b *BasePath) location(location, host string) string {
	u, err := url.Parse(location)
	if err != nil || u.Opaque != "" || (u.Host != "" && !strings.EqualFold(u.Host, host)) {
		return location
	}
	if u.Scheme != "" && u.Host == "" {
		return location
	}
	start := 0
	if u.Host != "" {
		start = strings.Index(location, "//") + 2
		end := strings.IndexAny(location[start:], "/?#")
		if end < 0 {
			return location + b.Prefix + "/"
		}
		start += end
	}
	rest := location[start:]
	if u.Host == "" && !strings.HasPrefix(rest, "/") {
		return location // relative to the page, which has the prefix
	}
	if b.holds(rest) {
		return location
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return location[:start] + b.Prefix + rest
}

// cookie narrows the Path of a cookie to the prefix. A cookie whose name begins
// with __Host- must have the path / or browsers drop it (RFC 6265bis 4.1.3.2).
func (b *BasePath) cookie(cookie string) string {
	if strings.HasPrefix(strings.ToLower(cookie), "__host-") {
		return cookie
	}
	parts := strings.Split(cookie, ";")
	for i, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		value = strings.TrimSpace(value)
		if !strings.EqualFold(strings.TrimSpace(name), "path") || !strings.HasPrefix(value, "/") || b.holds(value) {
			continue
		}
		parts[i+1] = name + "=" + strings.TrimSuffix(b.Prefix+value, "/")
	}
	return strings.Join(parts, ";")
}

// holds reports whether a path is the prefix or lies under it.
func (b *BasePath) holds(path string) bool {
	rest, ok := strings.CutPrefix(path, b.Prefix)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], "/?#"))
}

var (
	_ caddyhttp.MiddlewareHandler = (*BasePath)(nil)
	_ caddy.Validator             = (*BasePath)(nil)
)
