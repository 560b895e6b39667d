package maintenance

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/proxy/exchange"
	"github.com/tale-project/tale-runtime/internal/proxy/upstreams"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// The defaults of a Handler.
const defaultRetryAfter = 5 * time.Second

// updateHeader says to an open page that the last update has failed, for as long as it
// is so.
const (
	updateHeader = "Tale-Update"
	updateFailed = "failed"
)

func init() { caddy.RegisterModule(Handler{}) }

// Handler answers requests that the proxy could not serve: errors 502, 503 and
// 504 of the handler chain. It is for the `errors` routes of a server. Other
// errors go to the next handler.
//
// A browser that navigates gets a page, everything else JSON
// (`{"code":"ServiceUnavailable","message":"..."}`), a WebSocket handshake no
// body. The status stays. Every answer has `Retry-After`, `Cache-Control: no-store`
// and `Vary`; the page is in the language that the visitor's Accept-Language prefers.
type Handler struct {
	// What the page calls the site. Default: `This site`, in the visitor's language.
	Name string `json:"name,omitempty"`

	// The image at the top of the page, as a `data:` URI. Default: a drawing.
	Logo string `json:"logo,omitempty"`

	// Where visitors learn more, as a URL. Default: nowhere.
	Link string `json:"link,omitempty"`

	// The probed upstream of which the page says that its last start has failed, when
	// its probe is answered so. Default: none.
	Upstream string `json:"upstream,omitempty"`

	// The path under which the site is served, without a slash at the end, if it
	// is not the root.
	BasePath string `json:"base_path,omitempty"`

	// When clients are told to come again, in whole seconds. Default: `5s`.
	RetryAfter caddy.Duration `json:"retry_after,omitempty"`

	page       page
	retryAfter string
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.tale_maintenance",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision puts the page together.
func (h *Handler) Provision(caddy.Context) error {
	if h.RetryAfter <= 0 {
		h.RetryAfter = caddy.Duration(defaultRetryAfter)
	}
	h.page = newPage(look{h.Name, h.Logo, h.Link})
	seconds := time.Duration(h.RetryAfter).Round(time.Second) / time.Second
	h.retryAfter = strconv.Itoa(max(int(seconds), 1))
	return nil
}

// ServeHTTP answers for the error of the request, if it is one of ours.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	status, err := errorOf(r)
	if status != http.StatusBadGateway && status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout {
		return next.ServeHTTP(w, r)
	}
	h.setHeaders(w.Header())
	switch audienceOf(r) {
	case socket:
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(status)
		return nil
	case browser:
		write(w, r, status, "text/html; charset=utf-8", h.pageFor(w, r, status))
	default:
		write(w, r, status, "application/json", h.document(err, status))
	}
	return nil
}

// errorOf returns the error that brought the request here, and its status.
func errorOf(r *http.Request) (status int, err error) {
	err, _ = r.Context().Value(caddyhttp.ErrorCtxKey).(error)
	if handlerErr, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
		return handlerErr.StatusCode, err
	}
	return http.StatusInternalServerError, err
}

// setHeaders drops what was meant for the answer that did not come.
func (h *Handler) setHeaders(header http.Header) {
	for _, name := range []string{"Server", "Etag", "Last-Modified", "Content-Encoding", "Content-Length", "Content-Disposition", "Set-Cookie"} {
		header.Del(name)
	}
	header.Set("Retry-After", h.retryAfter)
	header.Set("Cache-Control", "no-store")
	header["Vary"] = append(header["Vary"], "Accept, Accept-Language, Sec-Fetch-Mode")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "strict-origin-when-cross-origin")
	header.Set("X-Frame-Options", "SAMEORIGIN")
}

func (h *Handler) pageFor(w http.ResponseWriter, r *http.Request, status int) string {
	language, failed := preferred(r.Header["Accept-Language"]), h.Upstream != "" && upstreams.Failed(h.Upstream)
	w.Header().Set("Content-Security-Policy", h.page.policy)
	w.Header().Set("Content-Language", wordings[language].language)
	if failed {
		w.Header().Set(updateHeader, updateFailed)
	}
	reference, _ := caddyhttp.GetVar(r.Context(), exchange.IDVar).(string)
	return h.page.render(visit{
		method:    r.Method,
		url:       localURL(r),
		home:      h.BasePath + "/",
		status:    status,
		reference: reference,
		language:  language,
		failed:    failed,
		name:      h.Name,
	})
}

// localURL returns the request's own path and query. A path that begins with two
// slashes would be read as another host.
func localURL(r *http.Request) string {
	return "/" + strings.TrimLeft(r.URL.RequestURI(), "/\\")
}

// document returns the answer for programs. What they need to know is whether the
// request can have had an effect: not if no connection was made.
func (h *Handler) document(err error, status int) string {
	message := "The service is restarting or being updated."
	_, undelivered := errors.AsType[reverseproxy.DialError](err)
	switch {
	case undelivered:
	case status == http.StatusBadGateway:
		message = "The connection to the service was lost before it answered, and the request may have been carried out."
	case status == http.StatusGatewayTimeout:
		message = "The service did not answer in time, and the request may have been carried out."
	}
	document, err := json.Marshal(map[string]string{
		"code":    "ServiceUnavailable",
		"message": message + " Try again in " + h.retryAfter + " seconds.",
	})
	if err != nil { // two strings cannot fail
		return ""
	}
	return string(document) + "\n"
}

// write sends the answer. That a client has left is not told: nobody is there to
// answer, and Caddy would log the whole request as an error in handling an error.
func write(w http.ResponseWriter, r *http.Request, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body))
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
