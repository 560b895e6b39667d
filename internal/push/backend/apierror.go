package backend

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// maxErrorBody limits how much of an error's body is read. Real ones are a few
// hundred bytes; the server's words may contain a whole analysis error.
const maxErrorBody = 64 << 10

// APIError is an answer of the backend that is not the wanted one.
type APIError struct {
	Method  string
	Path    string
	Status  int    // HTTP status
	Code    string // the backend's short code, "" when the body has none
	Message string // the backend's words, "" when the body has none
}

// Error names the request, the status, the code and the server's words.
func (e *APIError) Error() string {
	text := fmt.Sprintf("%s %s: %s", e.Method, e.Path, StatusLine(e.Status, e.Code))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// StatusLine returns an HTTP status with its text, and the backend's code behind it
// unless that is "".
func StatusLine(status int, code string) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)) + " " + code)
}

// ParseAPIError makes an APIError of a non-2xx answer. The backend tags its errors
// as {"code","message"}; 404, 405, 408 and 415 have an empty body, and something
// between us and the backend may answer anything, even what it was asked.
func ParseAPIError(method, path string, status int, body []byte, secrets *redact.Redactor) *APIError {
	e := &APIError{Method: method, Path: path, Status: status}
	var tagged struct{ Code, Message string }
	if err := json.Unmarshal(body, &tagged); err == nil && tagged.Code != "" {
		e.Code, e.Message = secrets.Redact(tagged.Code), secrets.Redact(strings.TrimSpace(tagged.Message))
		return e
	}
	e.Message = firstWords(body, secrets)
	return e
}

// firstWords keeps what a person can use of an untagged body: the beginning of a
// text, nothing of a web page.
func firstWords(body []byte, secrets *redact.Redactor) string {
	const limit = 300
	text := strings.TrimSpace(strings.ToValidUTF8(string(body), "?"))
	if strings.HasPrefix(text, "<") {
		return "(a web page, not an answer of a Convex backend)"
	}
	return secrets.Limit(text, limit)
}

// TransportError is a request that got no complete answer.
type TransportError struct {
	Method      string
	Path        string
	Kind        netcause.Kind
	Explanation string
	err         error
}

// NewTransportError classifies err, the failure of a request or of reading its
// answer.
func NewTransportError(method, path string, err error) *TransportError {
	kind, explanation := netcause.Of(err)
	return &TransportError{Method: method, Path: path, Kind: kind, Explanation: explanation, err: err}
}

// Error names the request and why it got no answer.
func (e *TransportError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Method, e.Path, e.Explanation)
}

// Unwrap returns the error of net/http.
func (e *TransportError) Unwrap() error { return e.err }

// FirstLine returns the first line of a text that has words.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}
