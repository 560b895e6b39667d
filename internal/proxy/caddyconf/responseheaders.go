package caddyconf

import (
	"encoding/json"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/proxy/header"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// hsts makes browsers come back over https for a day. Longer, or for
// subdomains, is for the owner of the domain to decide, in the application: it
// cannot be taken back.
const hsts = "max-age=86400"

// altSvcSeconds is how long browsers remember that HTTP/3 is offered.
const altSvcSeconds = 86400

// responseHeaders returns those of every answer. Security headers belong to the
// application; these stand in where it, or the backend, sets none.
func (b *builder) responseHeaders() json.RawMessage {
	headers := header.Response{
		Missing: map[string]string{
			"X-Frame-Options":        "SAMEORIGIN",
			"X-Content-Type-Options": "nosniff",
			"Referrer-Policy":        "strict-origin-when-cross-origin",
		},
		Drop: []string{"Server", "Via"},
	}
	if b.s.TLSMode == stack.TLSLetsEncrypt {
		headers.Missing["Strict-Transport-Security"] = hsts
	}
	if b.s.OffersHTTP3() {
		port := b.site.Port
		if port == "" {
			port = "443"
		}
		headers.AltSvc = fmt.Sprintf(`h3=":%s"; ma=%d`, port, altSvcSeconds)
	}
	return handler(headers)
}
