package convexsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// failure is an error as the backend answers it: a status, and a JSON body with
// a code for programs and a message for people. A failure without a code has an
// empty body (408, 415).
type failure struct {
	status  int
	code    string
	message string
	header  http.Header
}

func (f *failure) Error() string {
	if f.code == "" {
		return fmt.Sprintf("%d %s", f.status, http.StatusText(f.status))
	}
	return fmt.Sprintf("%d %s: %s", f.status, f.code, f.message)
}

func badRequest(code, format string, args ...any) *failure {
	return &failure{status: http.StatusBadRequest, code: code, message: fmt.Sprintf(format, args...)}
}

func unauthenticated(code, message string) *failure {
	return &failure{status: http.StatusUnauthorized, code: code, message: message}
}

func forbidden(code, message string) *failure {
	return &failure{status: http.StatusForbidden, code: code, message: message}
}

func conflict(code, format string, args ...any) *failure {
	return &failure{status: http.StatusConflict, code: code, message: fmt.Sprintf(format, args...)}
}

// internalError is what the backend answers for everything that it did not
// expect; its log has the reason, its answer does not.
func internalError() *failure {
	return &failure{
		status:  http.StatusInternalServerError,
		code:    "InternalServerError",
		message: "Your request couldn't be completed. Try again later.",
	}
}

// whilePushing prefixes a coded failure as the push routes do.
func whilePushing(err error) error {
	var f *failure
	if !errors.As(err, &f) || f.code == "" || f.status == http.StatusInternalServerError {
		return err
	}
	prefixed := *f
	prefixed.message = "Hit an error while pushing:\n" + f.message
	return &prefixed
}

func writeFailure(w http.ResponseWriter, err error) {
	var f *failure
	if !errors.As(err, &f) {
		f = internalError()
	}
	for name, values := range f.header {
		w.Header()[name] = values
	}
	if f.code == "" && f.message == "" {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(f.status)
		return
	}
	writeJSON(w, f.status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{f.code, f.message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"code":"InternalServerError","message":"the simulator cannot encode its answer"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
