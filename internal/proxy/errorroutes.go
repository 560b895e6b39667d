package proxy

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// errorRoutes answer what the site's routes could not.
func (b *builder) errorRoutes() caddyhttp.RouteList {
	return caddyhttp.RouteList{
		route(nil, b.responseHeaders(), handler("static_response", caddyhttp.StaticResponse{
			StatusCode: "{http.error.status_code}",
			Headers:    http.Header{"Cache-Control": {"no-store"}},
			Body:       "{http.error.status_code} {http.error.status_text}\n",
		})),
	}
}
