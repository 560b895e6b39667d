package target

import (
	"errors"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// readers are what one server or another does to a path before it looks for its
// handler, and possibly twice.
var readers = []func(string) string{
	decoded,       // once more than others: frameworks behind a server that has done so, static file handlers
	forwardSlash,  // URL parsers of browsers and JavaScript, Windows
	unparameter,   // servlet containers
	mergeSlashes,  // Caddy, nginx, Next.js
	dropAuthority, // URL parsers that are given the path alone, such as new URL(path, base)
	cutQuery,      // of servers that decode first and parse then
	dropBlanks,    // URL parsers drop tabs and line ends, and spaces at the ends
	compatible,    // what compares names by their compatible form, or in capitals
	ofPage,        // Next.js and React Router, which answer under other names for the route of a page
}

// maxReadings bounds the work; a target of a real client has far fewer.
const maxReadings = 32

// maxOddPath bounds the length of paths that can be read in several ways, in
// bytes. Other proxies have such a limit for all paths.
const maxOddPath = 4 << 10

// check refuses a path without dot segments if some server sees some, or if it is
// closed in the reading of a server and not in that of Caddy's path matcher.
func check(canonical string, rows []Row) error {
	if len(canonical) > maxOddPath {
		return errors.New("the path is long, and can be read in several ways")
	}
	closed := closedRows(rows, mergeSlashes(decoded(canonical)))
	readings := []string{canonical}
	for i := 0; i < len(readings); i++ {
		if hasDots(readings[i]) {
			return errors.New("there are dot segments in the path that some servers do not see")
		}
		for _, row := range closedRows(rows, readings[i]) {
			if !slices.Contains(closed, row) {
				return errors.New("the path is closed in the reading of some servers")
			}
		}
		for _, read := range readers {
			if reading := read(readings[i]); !slices.Contains(readings, reading) {
				readings = append(readings, reading)
			}
		}
		if len(readings) > maxReadings {
			return errors.New("the path can be read in too many ways")
		}
	}
	return nil
}

// closedRows returns the closed ones among the rows that may take a path.
func closedRows(rows []Row, path string) (closed []int) {
	path = strings.ToLower(path)
	for i, row := range rows {
		if !row.patterns.matches(path) {
			continue
		}
		if row.Closed {
			closed = append(closed, i)
		}
		if row.Sure {
			break
		}
	}
	return closed
}

func forwardSlash(p string) string { return strings.ReplaceAll(p, `\`, "/") }

func unparameter(p string) string {
	if !strings.Contains(p, ";") {
		return p
	}
	segments := strings.Split(p, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

func mergeSlashes(p string) string {
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	return p
}

// dropAuthority takes what follows the first two slashes for the name of a host.
func dropAuthority(p string) string {
	before, after, found := strings.Cut(p, "//")
	if !found {
		return p
	}
	_, after, _ = strings.Cut(strings.TrimLeft(after, "/"), "/")
	return before + "/" + after
}

func cutQuery(p string) string {
	if end := strings.IndexAny(p, "?#"); end >= 0 {
		return p[:end]
	}
	return p
}

func dropBlanks(p string) string {
	isBlank := func(c rune) bool { return c < ' ' || c == 0x7f }
	if strings.ContainsFunc(p, isBlank) {
		p = strings.Join(strings.FieldsFunc(p, isBlank), "")
	}
	return strings.TrimRightFunc(p, func(c rune) bool { return unicode.IsSpace(c) || c == byteOrderMark })
}

// byteOrderMark is a space to JavaScript.
const byteOrderMark = '\ufeff'

// compatible returns a path with one character of each kind, such as the letters of
// Asian scripts that are as wide as theirs, and with letters that are another's capital.
func compatible(p string) string {
	if strings.IndexFunc(p, func(c rune) bool { return c >= utf8.RuneSelf }) < 0 {
		return p
	}
	return strings.ToLower(strings.ToUpper(norm.NFKC.String(p)))
}

// dataPrefix is where Next.js has what the routes of pages return, in any case before
// version 16: a build's identifier follows, and the path, perhaps below index, with .json.
const dataPrefix = "/_next/data/"

// ofPage returns the path of the page whose route answers at a path of its framework.
func ofPage(p string) string {
	if before, after, found := cutDataPrefix(p); found {
		_, page, _ := strings.Cut(after, "/")
		page = strings.TrimPrefix(strings.TrimLeft(page, "/"), "index/")
		page, _ = cutSuffix(page, ".json")
		return before + "/" + page
	}
	// What React Router takes off a path to find the route whose data, or whose
	// components, it answers with.
	for _, suffix := range []string{".data", ".rsc"} {
		if page, found := cutSuffix(p, suffix); found {
			return page
		}
	}
	return p
}

func cutDataPrefix(p string) (before, after string, found bool) {
	for at := strings.Index(p, "/_"); at >= 0 && len(p)-at >= len(dataPrefix); {
		if end := at + len(dataPrefix); strings.EqualFold(p[at:end], dataPrefix) {
			return p[:at], p[end:], true
		}
		next := strings.Index(p[at+1:], "/_")
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return p, "", false
}

// cutSuffix returns a path without a suffix and the slashes behind it, in any case.
func cutSuffix(p, suffix string) (before string, found bool) {
	trimmed := strings.TrimRight(p, "/")
	if at := len(trimmed) - len(suffix); at >= 0 && strings.EqualFold(trimmed[at:], suffix) {
		return trimmed[:at], true
	}
	return p, false
}

// Row is a row of a route table, as far as paths decide.
type Row struct {
	// Paths are its patterns, in the form of Caddy's path matcher. Required.
	Paths []string `json:"paths"`
	// Closed is what must not be reached by another row. Default: false.
	Closed bool `json:"closed,omitempty"`
	// Sure rows take every request with such a path. Default: false.
	Sure bool `json:"sure,omitempty"`

	patterns Patterns
}

// Patterns are path patterns, any of which may match.
type Patterns []pattern

// NewPatterns reads patterns in the form of Caddy's path matcher.
func NewPatterns(texts []string) Patterns {
	patterns := make(Patterns, len(texts))
	for i, text := range texts {
		patterns[i] = newPattern(text)
	}
	return patterns
}

// Match reports whether one of the patterns matches a path, as it does in Caddy.
func (p Patterns) Match(path string) bool { return p.matches(strings.ToLower(path)) }

// matches wants a path in lower case.
func (p Patterns) matches(lower string) bool {
	return slices.ContainsFunc(p, func(one pattern) bool { return one.matches(lower) })
}

// pattern is a path pattern that is read as Caddy's path matcher does.
type pattern struct {
	text, middle   string // lower case; middle has no stars at its ends
	prefix, suffix bool   // there is a star behind it, or in front, and no other
}

func newPattern(text string) pattern {
	p := pattern{text: strings.ToLower(text)}
	p.middle = strings.Trim(p.text, "*")
	if !strings.Contains(p.middle, "*") {
		p.prefix, p.suffix = strings.HasSuffix(p.text, "*"), strings.HasPrefix(p.text, "*")
	}
	return p
}

// matches wants a path in lower case.
func (p pattern) matches(lower string) bool {
	switch {
	case p.prefix && p.suffix:
		return strings.Contains(lower, p.middle)
	case p.prefix:
		return strings.HasPrefix(lower, p.middle)
	case p.suffix:
		return strings.HasSuffix(lower, p.middle)
	}
	matches, _ := path.Match(p.text, lower)
	return matches
}
