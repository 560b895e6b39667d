package protocol

import (
	"errors"
	"fmt"
	"net/http"
)

// Failure is an error as the backend answers it: a status, and a JSON body with
// a code for programs and a message for people. A failure without a code has an
// empty body (408, 415).
type Failure struct {
	Status  int
	Code    string
	Message string
	Header  http.Header
	Logged  string // the reason, of which only the backend's log speaks
}

// Error names the status, and what the answer would say.
func (f *Failure) Error() string {
	if f.Code == "" {
		return fmt.Sprintf("%d %s", f.Status, http.StatusText(f.Status))
	}
	return fmt.Sprintf("%d %s: %s", f.Status, f.Code, f.Message)
}

// BadRequest returns a failure with status 400.
func BadRequest(code, format string, args ...any) *Failure {
	return &Failure{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Unauthenticated returns a failure with status 401.
func Unauthenticated(code, message string) *Failure {
	return &Failure{Status: http.StatusUnauthorized, Code: code, Message: message}
}

// Forbidden returns a failure with status 403.
func Forbidden(code, message string) *Failure {
	return &Failure{Status: http.StatusForbidden, Code: code, Message: message}
}

// Conflict returns a failure with status 409.
func Conflict(code, format string, args ...any) *Failure {
	return &Failure{Status: http.StatusConflict, Code: code, Message: fmt.Sprintf(format, args...)}
}

// InternalError returns what the backend answers for everything that it did not
// expect; its log has the reason, its answer does not.
func InternalError() *Failure {
	return &Failure{
		Status:  http.StatusInternalServerError,
		Code:    "InternalServerError",
		Message: "Your request couldn't be completed. Try again later.",
	}
}

// IsInternal reports whether a failure is one whose reason only the log has.
func IsInternal(err error) bool {
	var f *Failure
	return !errors.As(err, &f) || f.Status == http.StatusInternalServerError
}

// WhilePushing prefixes a coded failure as the push routes do.
func WhilePushing(err error) error {
	var f *Failure
	if !errors.As(err, &f) || f.Code == "" || f.Status == http.StatusInternalServerError {
		return err
	}
	prefixed := *f
	prefixed.Message = "Hit an error while pushing:\n" + f.Message
	return &prefixed
}

// TimedOut returns the empty answer to a request that took too long.
func TimedOut() error { return &Failure{Status: http.StatusRequestTimeout} }
