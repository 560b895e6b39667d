package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
)

// request is one of the list. @{name} in its texts is a variable of the target:
// key, strange (a key of another instance), and what earlier answers had.
type request struct {
	area, name   string
	method, path string
	site         bool // goes to the port of HTTP actions
	header       map[string]string
	body         string
	save         map[string]string // variable → path of a member in the JSON answer; "" is all of it
	frames       []frame           // of a sync socket; there is no body then
}

// label tells the request from all others.
func (r request) label() string { return r.area + ": " + r.name }

// answer is what a target did.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
	Frames [][]json.RawMessage // for each frame that was sent, those that came
	Failed string              // there was no answer
}

// target is a backend that is asked.
type target struct {
	name      string // in the table
	api, site string // URLs
	key       string
	instance  string
	variables map[string]string
}

var variable = regexp.MustCompile(`@\{(\w+)\}`)

func (t *target) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		if value, known := t.variables[found[2:len(found)-1]]; known {
			return value
		}
		return found
	})
}

// ask sends a request and keeps what later ones need.
func (t *target) ask(ctx context.Context, r request) answer {
	ctx, cancel := context.WithTimeout(ctx, requestLimit)
	defer cancel()
	var got answer
	var err error
	if r.frames != nil {
		got, err = t.converse(ctx, r)
	} else {
		got, err = t.send(ctx, r)
	}
	if err != nil {
		got.Failed = err.Error()
	}
	for variable, path := range r.save {
		t.variables[variable] = member(got.Body, path)
	}
	return got
}

func (t *target) send(ctx context.Context, r request) (answer, error) {
	base := t.api
	if r.site {
		base = t.site
	}
	path := t.expand(r.path)
	// The URL for an upload is made by the backend, with its public address.
	if strings.HasPrefix(path, "http") {
		path = regexp.MustCompile(`^https?://[^/]*`).ReplaceAllString(path, "")
	}
	message, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), base+path, strings.NewReader(t.expand(r.body)))
	if err != nil {
		return answer{}, err
	}
	if r.body != "" && r.header["Content-Type"] == "" {
		message.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		message.Header.Set(name, t.expand(value))
	}
	client := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	response, err := client.Do(message)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, mostBody))
	return answer{Status: response.StatusCode, Header: response.Header, Body: body}, err
}

// member returns a member of a JSON text: a string as it is, anything else as JSON.
func member(body []byte, path string) string {
	for name := range strings.SplitSeq(path, ".") {
		if name == "" {
			break
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(body, &object) != nil {
			return ""
		}
		body = object[name]
	}
	var text string
	if json.Unmarshal(body, &text) == nil {
		return text
	}
	return string(bytes.TrimSpace(body))
}

// with returns the header with one more field.
func with(header map[string]string, name, value string) map[string]string {
	header = maps.Clone(header)
	if header == nil {
		header = map[string]string{}
	}
	header[name] = value
	return header
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("a request of the list is no JSON: %v", err))
	}
	return string(text)
}
