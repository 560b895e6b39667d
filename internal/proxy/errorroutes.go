package proxy

import (
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/maintenance"
)

// errorRoutes answer what the site's routes could not: for an upstream that is
// away with the maintenance page, for the rest with the status in words.
func (b *builder) errorRoutes() caddyhttp.RouteList {
	plain := caddyhttp.StaticResponse{
		StatusCode: "{http.error.status_code}",
		Headers:    http.Header{"Cache-Control": {"no-store"}},
		Body:       "{http.error.status_code} {http.error.status_text}\n",
	}
	// Go's server reads on for a while before it answers, unless the connection
	// is to be closed. Whoever sends too much is told at once.
	tooLarge := plain
	tooLarge.Headers = plain.Headers.Clone()
	tooLarge.Headers.Set("Connection", "close")
	return caddyhttp.RouteList{
		b.passing(b.accessLog(), b.responseHeaders()),
		route(match{"vars": map[string][]string{"{http.error.status_code}": {strconv.Itoa(http.StatusRequestEntityTooLarge)}}}, handler("static_response", tooLarge)),
		route(nil,
			handler("tale_maintenance", maintenance.Handler{BasePath: b.site.Base}),
			handler("static_response", plain)),
	}
}
