package edge

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
)

func init() { caddy.RegisterModule(Health{}) }

// Health answers 200 with OK: this process takes requests. With the query
// parameter `deep` it tells whether it could serve them, in JSON: 200 when every
// probed upstream has an address that takes requests, 503 otherwise. A load
// balancer or a container engine should not ask that: restarting the proxy or
// moving visitors away does not bring an upstream back.
type Health struct {
	// Detail adds the addresses behind each upstream and why they are not used.
	// It is for listeners that the public cannot reach. Default: false.
	Detail bool `json:"detail,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_health",
		New: func() caddy.Module { return new(Health) },
	}
}

// deepHealth is the answer to /health?deep.
type deepHealth struct {
	Available bool              `json:"available"`
	Upstreams []upstreams.State `json:"upstreams"`
	// For the public: the sender's own address, and whether a trusted proxy said it.
	Visitor   string `json:"visitor,omitempty"`
	Forwarded bool   `json:"forwarded,omitempty"`
}

// ServeHTTP answers every request it gets.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	w.Header().Set("Cache-Control", "no-store")
	if !isDeep(r.URL.RawQuery) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, err := w.Write([]byte("OK"))
		return err
	}
	answer := deepHealth{Available: true, Upstreams: upstreams.States()}
	for i := range answer.Upstreams {
		state := &answer.Upstreams[i]
		answer.Available = answer.Available && state.Available
		if !h.Detail {
			state.Addresses, state.Resolver = nil, ""
		}
	}
	if !h.Detail {
		trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
		answer.Visitor, _ = caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
		answer.Forwarded = trusted && r.Header["X-Forwarded-For"] != nil
	}
	w.Header().Set("Content-Type", "application/json")
	if !answer.Available {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return json.NewEncoder(w).Encode(answer)
}

func isDeep(query string) bool {
	for parameter := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(parameter, "="); name == "deep" {
			return true
		}
	}
	return false
}

var _ caddyhttp.MiddlewareHandler = (*Health)(nil)
