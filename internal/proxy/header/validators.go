package header

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Validators{}) }

// Validators gives an upstream its own entity tags back. The encoder adds the name
// of an encoding to the strong tag of what it encodes; a visitor returns that in
// If-None-Match and If-Match, also when it accepts another encoding by then. A 304
// has the tag that the visitor knows the answer by.
//
// If-Range stays, and so does the If-Match of a range: a part of what is not
// encoded does not go with parts of what is.
type Validators struct {
	// The encodings whose names the encoder adds. Required.
	Encodings []string `json:"encodings,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Validators) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_validators",
		New: func() caddy.Module { return new(Validators) },
	}
}

// ServeHTTP changes the request's conditions and passes it on.
func (v *Validators) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if tags := r.Header["If-Match"]; len(tags) > 0 && r.Header["Range"] == nil {
		r.Header["If-Match"] = v.plain(tags)
	}
	if known := r.Header["If-None-Match"]; len(known) > 0 {
		r.Header["If-None-Match"] = v.plain(known)
		w = &exchange.HeaderWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, Before: func(header http.Header, status int) {
			if tags := header["Etag"]; status == http.StatusNotModified && len(tags) == 1 {
				header["Etag"] = []string{v.knownAs(tags[0], known)}
			}
		}}
	}
	return next.ServeHTTP(w, r)
}

// plain returns a list of tags without the names of encodings.
func (v *Validators) plain(values []string) []string {
	values = slices.Clone(values)
	for i := range values {
		for _, encoding := range v.Encodings {
			values[i] = strings.ReplaceAll(values[i], "-"+encoding+`"`, `"`)
		}
	}
	return values
}

// knownAs returns the tag as the visitor has it.
func (v *Validators) knownAs(tag string, known []string) string {
	list := strings.Join(known, ",")
	if strings.HasPrefix(tag, "W/") || strings.Contains(list, tag) {
		return tag
	}
	for _, encoding := range v.Encodings {
		if encoded := strings.TrimSuffix(tag, `"`) + "-" + encoding + `"`; strings.Contains(list, encoded) {
			return encoded
		}
	}
	return tag
}

var _ caddyhttp.MiddlewareHandler = (*Validators)(nil)
