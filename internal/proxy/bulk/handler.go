package bulk

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/tale-project/tale-runtime/internal/proxy/limits"
)

func init() { caddy.RegisterModule(new(Handler)) }

// threshold is the length from which an answer is worth a piece.
const threshold = pieceSize

// answerVar is the request variable with the answer that Transport offers to.
const answerVar = "tale_bulk_answer"

// Handler copies large answers. It belongs right in front of the reverse proxy.
type Handler struct {
	pieces *pool
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_bulk",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision makes room for pieces.
func (h *Handler) Provision(ctx caddy.Context) error {
	visitors, err := limits.Of(ctx)
	if err != nil {
		return err
	}
	h.pieces = newPool(answersFor(visitors.Memory()))
	return nil
}

// ServeHTTP lets the reverse proxy answer through a writer that takes the copying
// over where it pays.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	a := &answer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, conn: connOf(r), pieces: h.pieces}
	caddyhttp.SetVar(r.Context(), answerVar, a)
	return next.ServeHTTP(a, r)
}

var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
