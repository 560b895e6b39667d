package health

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/certstore"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func init() { caddy.RegisterModule(Handler{}) }

// Handler answers 200 with OK: this process takes requests. With the query
// parameter `ready` it answers 503 when a name has no certificate and is not being
// given one, and says which names are waiting for theirs: after a failed attempt it
// calls itself DEGRADED, as a restart would not help. With `ready&upstreams=10s` it
// answers 503 for that long after its start, too, while a probed upstream has no
// address that takes requests: visitors are not to be sent here while another proxy
// can do what this one cannot yet. With `deep` it reports
// whether it could serve requests, in JSON: 200 when every name has a certificate
// and every probed upstream has an address that takes requests, 503 otherwise. A
// load balancer or a container engine should not ask that: restarting the proxy or
// moving visitors away does not bring an upstream back.
type Handler struct {
	// Names are those that need a certificate. They are for listeners that can be
	// reached without one. Default: none.
	Names []string `json:"names,omitempty"`
	// Detail adds the addresses behind each upstream and why they are not used.
	// It is for listeners that the public cannot reach. Default: false.
	Detail bool `json:"detail,omitempty"`

	began time.Time
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_health",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision notes when the handler starts.
func (h *Handler) Provision(caddy.Context) error {
	h.began = time.Now()
	return nil
}

// Document is the answer to /health?deep.
type Document struct {
	Available    bool              `json:"available"`
	Upstreams    []upstreams.State `json:"upstreams"`
	Certificates []certstore.State `json:"certificates,omitempty"`
	// For the public: the sender's own address, and whether a trusted proxy said it.
	Visitor   string `json:"visitor,omitempty"`
	Forwarded bool   `json:"forwarded,omitempty"`
}

// ServeHTTP answers every request it gets.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case asks(r.URL.RawQuery, stack.ProxyStatusQuery):
		return h.serveDeep(w, r)
	case asks(r.URL.RawQuery, "ready"):
		return h.serveReady(w, r)
	}
	return serveText(w, http.StatusOK, "OK")
}

func serveText(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, err := io.WriteString(w, text)
	return err
}

func (h *Handler) serveReady(w http.ResponseWriter, r *http.Request) error {
	status, lines := http.StatusOK, []string{"OK"}
	for _, state := range certstore.States(r.Context(), h.Names) {
		if state.Lost() {
			status, lines[0] = http.StatusServiceUnavailable, "NOT READY"
		}
		if !state.Certified && !state.Lost() && state.Reason != "" && lines[0] == "OK" {
			lines[0] = "DEGRADED"
		}
		if !state.Certified {
			lines = append(lines, state.String())
		}
	}
	away, err := h.away(r.URL.Query().Get("upstreams"))
	if err != nil {
		return serveText(w, http.StatusBadRequest, "upstreams: "+err.Error())
	}
	if len(away) > 0 {
		status, lines[0] = http.StatusServiceUnavailable, "NOT READY"
	}
	return serveText(w, status, strings.Join(append(lines, away...), "; "))
}

// away returns a line for each upstream that is not available, for as long after the
// start as is waited for them.
func (h *Handler) away(patience string) (lines []string, err error) {
	if patience == "" {
		return nil, nil
	}
	limit, err := time.ParseDuration(patience)
	if err != nil || time.Since(h.began) >= limit {
		return nil, err
	}
	for _, state := range upstreams.States() {
		if !state.Available {
			lines = append(lines, state.Upstream+" is not available yet")
		}
	}
	return lines, nil
}

func (h *Handler) serveDeep(w http.ResponseWriter, r *http.Request) error {
	answer := Document{Available: true, Upstreams: upstreams.States(), Certificates: certstore.States(r.Context(), h.Names)}
	for _, state := range answer.Certificates {
		answer.Available = answer.Available && state.Certified
	}
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

// asks reports whether the query has the parameter, whatever its value is.
func asks(query, parameter string) bool {
	for one := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(one, "="); name == parameter {
			return true
		}
	}
	return false
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
