package accesslog

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/proxy/exchange"
	"github.com/tale-project/tale-runtime/internal/proxy/host"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() { caddy.RegisterModule(Handler{}) }

// Handler logs requests when they are answered, and gives each an id. It must be
// the first handler of the server's routes **and** of its `errors` routes: an
// answer that the error routes give is only known there.
//
// The id is the request's own `X-Request-Id` if it has a usable one (1 to 128
// letters, digits and `-_.:/=+`), else a new one. It goes upstream and back in
// `X-Request-Id`, and is in `{http.vars.request_id}`. (A client can have the
// header removed by naming it in `Connection`; to be sure, set it in the reverse
// proxy's header operations from the variable.)
//
// A line has `request_id`, `method`, `host`, `path` and `query` (with what
// looks like a secret replaced), `proto`, `status`, `bytes` (of the answer's body),
// `took`, `upstream` (if the request was sent to one, and did not fail for the
// visitor's fault), `client_ip`, and `error` (if the proxy had to answer for the
// upstream). Its level is warn for answers of
// 500 and above, else info.
//
// Metrics: the histograms `tale_proxy_first_byte_seconds` and
// `tale_proxy_request_duration_seconds`, by `upstream` (see [Upstream]; `none` for
// the proxy's own answers) and `code` (`2xx` and so on), without the quiet paths.
type Handler struct {
	// Paths of which requests are logged at level debug only: probes.
	Quiet []string `json:"quiet,omitempty"`

	// More query parameters whose values are secret. Letter case does not matter.
	Redact []string `json:"redact,omitempty"`

	redactor redactor
	secrets  *redact.Redactor
	own      *observers
	log      *slog.Logger
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_access_log",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision finds the logger and the histograms.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.redactor = newRedactor(h.Redact)
	l, err := newLatency(ctx.GetMetricsRegistry())
	if err != nil {
		return err
	}
	h.own = l.of(ownAnswers)
	process, err := host.Of(ctx)
	if err != nil {
		return err
	}
	h.secrets = process.Redactor
	if h.log = process.Access; h.log == nil {
		h.log = ctx.Slogger()
	}
	return nil
}

// ServeHTTP lets the rest of the chain answer, and logs the answer.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if rec, ok := caddyhttp.GetVar(r.Context(), recordVar).(*record); ok {
		return h.serveError(rec, r, next)
	}
	rec := newRecord(w, r)
	rec.err, _ = r.Context().Value(caddyhttp.ErrorCtxKey).(error) // of a handler in front of this one
	rec.observers = h.own
	caddyhttp.SetVar(r.Context(), recordVar, rec)
	caddyhttp.SetVar(r.Context(), exchange.IDVar, rec.id)
	r.Header[exchange.IDHeader] = []string{rec.id}
	rec.setID()
	return h.serve(rec, r, next, false)
}

// serveError goes on with the record of a request that ended in an error.
func (h *Handler) serveError(rec *record, r *http.Request, next caddyhttp.Handler) error {
	rec.err, _ = r.Context().Value(caddyhttp.ErrorCtxKey).(error)
	if status := rec.finalStatus(); status >= 400 && status < 500 {
		rec.observers, rec.refused = h.own, true
	}
	return h.serve(rec, r, next, true)
}

// serve logs unless an error is left for the error routes. An answer that is
// broken off is a panic (http.ErrAbortHandler), which goes on after the line.
func (h *Handler) serve(rec *record, r *http.Request, next caddyhttp.Handler, last bool) error {
	broken := true
	defer func() {
		if broken {
			rec.err = errBroken
			h.finish(rec, r)
		}
	}()
	err := next.ServeHTTP(rec, r)
	broken = false
	if err == nil || last {
		h.finish(rec, r)
	}
	return err
}

// finish is called once for each request.
func (h *Handler) finish(rec *record, r *http.Request) {
	if !slices.Contains(h.Quiet, rec.path) {
		rec.observers.observe(rec)
	}
	h.write(rec, r)
}

var errBroken = errors.New("the answer was broken off")

func (h *Handler) write(rec *record, r *http.Request) {
	level := h.level(rec)
	if !h.log.Enabled(r.Context(), level) {
		return
	}
	attrs := make([]slog.Attr, 0, 12)
	attrs = append(attrs,
		slog.String(exchange.IDVar, rec.id),
		slog.String("method", h.shown(rec.method)),
		slog.String("host", h.shown(rec.host)),
		slog.String("path", h.shown(h.redactor.path(rec.path))),
	)
	if rec.query != "" {
		attrs = append(attrs, slog.String("query", h.shown(h.redactor.query(rec.query))))
	}
	attrs = append(attrs,
		slog.String("proto", rec.proto),
		slog.Int("status", rec.finalStatus()),
		slog.Int64("bytes", rec.bytes),
		slog.Duration("took", time.Since(rec.began)),
	)
	if address := upstream(r); address != "" && !rec.refused {
		attrs = append(attrs, slog.String("upstream", address))
	}
	attrs = append(attrs, slog.String("client_ip", rec.clientIP))
	if rec.err != nil {
		attrs = append(attrs, slog.String("error", h.shown(h.redactor.text(cause(rec.err)))))
	}
	h.log.LogAttrs(r.Context(), level, "request", attrs...)
}

// shown takes the process's own secrets out before it shortens: what is cut off
// can no longer be recognised.
func (h *Handler) shown(text string) string { return plain(h.secrets.Redact(text)) }

func (h *Handler) level(rec *record) slog.Level {
	switch {
	case slices.Contains(h.Quiet, rec.path):
		return slog.LevelDebug
	case rec.finalStatus() >= http.StatusInternalServerError:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

// cause returns the error without what Caddy puts around it: an id of its own and the
// place in its source.
func cause(err error) string {
	if handlerErr, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		if handlerErr.Err == nil {
			return http.StatusText(handlerErr.StatusCode)
		}
		return handlerErr.Err.Error()
	}
	return err.Error()
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
