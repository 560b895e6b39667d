package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// comparedHeaders are those that clients and proxies act on.
var comparedHeaders = []string{
	"Content-Type", "Location", "Allow", "Vary", "Cache-Control", "Accept-Ranges", "Content-Range", "Digest", "Retry-After", "Www-Authenticate",
	"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age",
}

// lists are headers whose elements have no order.
var lists = map[string]bool{"Allow": true, "Vary": true, "Access-Control-Allow-Methods": true, "Access-Control-Allow-Headers": true}

// normal is an answer without what is another one each time.
type normal struct {
	status  int
	headers map[string]string
	body    any // decoded JSON, or a string
	failed  string
}

// normaliser replaces what differs between two runs of one backend. Identifiers
// become numbers in the order of their first appearance in an answer, so that it
// still shows which are the same.
type normaliser struct {
	fixed *strings.Replacer
	ids   map[string]string
}

func (t *target) normal(got answer) normal {
	n := normaliser{ids: map[string]string{}, fixed: strings.NewReplacer(
		t.api, "<api>", t.site, "<site>", t.key, "<key>", strings.TrimPrefix(t.api, "http://"), "<api>", strings.TrimPrefix(t.site, "http://"), "<site>",
		t.instance, "<instance>")}
	made := normal{status: got.Status, headers: map[string]string{}, failed: n.text(got.Failed)}
	for _, name := range comparedHeaders {
		if value := strings.Join(got.Header.Values(name), ", "); value != "" {
			made.headers[name] = n.header(name, value)
		}
	}
	if got.Frames != nil {
		made.body = n.value("", decoded(got.Frames))
		return made
	}
	var value any
	if isJSON(got.Header) && json.Unmarshal(got.Body, &value) == nil {
		made.body = n.value("", value)
	} else {
		made.body = n.text(string(got.Body))
	}
	return made
}

func isJSON(header http.Header) bool { return strings.Contains(header.Get("Content-Type"), "json") }

func decoded(value any) (plain any) {
	text := asJSON(value)
	_ = json.Unmarshal([]byte(text), &plain) // it was made here
	return plain
}

func (n normaliser) header(name, value string) string {
	value = n.text(value)
	if !lists[name] {
		return value
	}
	parts := strings.Split(strings.ToLower(strings.ReplaceAll(value, " ", "")), ",")
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), ",")
}

// changing are members whose values are another each time.
var changing = regexp.MustCompile(`(?i)^(executionTime|executionTimestamp|durationMs|took|memoryInMb|journal|maxObservedTimestamp)$`)

func (n normaliser) value(key string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		made := make(map[string]any, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			made[n.text(name)] = n.value(name, v[name])
		}
		return made
	case []any:
		made := make([]any, len(v))
		for i, element := range v {
			made[i] = n.value(key, element)
		}
		return made
	case string:
		if changing.MatchString(key) {
			return "<" + key + ">"
		}
		return n.text(v)
	case float64:
		if changing.MatchString(key) || isTime(v) {
			return "<number>"
		}
	}
	return value
}

// isTime reports whether a number is a time of our years in seconds, milliseconds,
// microseconds or nanoseconds.
func isTime(v float64) bool {
	for _, unit := range []float64{1, 1e3, 1e6, 1e9} {
		if v > 1.6e9*unit && v < 2.6e9*unit {
			return true
		}
	}
	return false
}

var (
	requestID  = regexp.MustCompile(`\[Request ID: [0-9a-f]+\]`)
	instant    = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[\d.]*(Z|[+-]\d{2}:\d{2})`)
	timestamp  = regexp.MustCompile(`^[A-Za-z0-9+/]{11}=$`)
	identifier = regexp.MustCompile(`\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-z]{31,37})\b`)
	token      = regexp.MustCompile(`token=[^&"\s]+`)
)

func (n normaliser) text(text string) string {
	if timestamp.MatchString(text) {
		return "<timestamp>"
	}
	text = n.fixed.Replace(text)
	text = requestID.ReplaceAllString(text, "[Request ID: ?]")
	text = instant.ReplaceAllString(text, "<time>")
	text = token.ReplaceAllString(text, "token=<token>")
	return identifier.ReplaceAllStringFunc(text, func(id string) string {
		if n.ids[id] == "" {
			n.ids[id] = fmt.Sprintf("<id %d>", len(n.ids)+1)
		}
		return n.ids[id]
	})
}
