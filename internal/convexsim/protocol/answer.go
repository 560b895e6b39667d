package protocol

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// WriteFailure answers with a failure; any other error is an internal one.
func WriteFailure(w http.ResponseWriter, err error) {
	var f *Failure
	if !errors.As(err, &f) {
		f = InternalError()
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if f.Code == "" && f.Message == "" {
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(f.Status)
		return
	}
	WriteJSON(w, f.Status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{f.Code, f.Message})
}

// WriteJSON answers with v as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"code":"InternalServerError","message":"the simulator cannot encode its answer"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// WriteText answers with a text.
func WriteText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// OrNull returns nil, which JSON has as null, for "".
func OrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
