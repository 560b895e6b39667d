package proxy

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
)

// speller writes paths in other ways, always the same ones for a seed: letters in
// the other case or escaped up to three times, separators and dot segments in
// every form that one program or another takes for one or drops, detours, and
// targets that are no path.
type speller struct {
	*rand.Rand
	rate float64 // of changes in the path at hand
}

func newSpeller(seed uint64) *speller { return &speller{Rand: rand.New(rand.NewPCG(seed, 12))} }

func (s *speller) chance() bool { return s.Float64() < s.rate }

func (s *speller) of(from ...string) string { return from[s.IntN(len(from))] }

// escape escapes a byte one to three times.
func (s *speller) escape(c byte) string {
	form := s.of("%%%02x", "%%%02X")
	text := fmt.Sprintf(form, c)
	for range s.IntN(6) / 2 {
		text = strings.ReplaceAll(text, "%", "%25")
	}
	return text
}

// lookalike returns a letter that is the other one to programs that compare names
// without their case, in their compatible form, or byte by byte of UTF-16.
func (s *speller) lookalike(c byte) string {
	special := map[byte][]string{'s': {"\u017f"}, 'i': {"\u0131", "\u0130"}, 'k': {"\u212a"}, '-': {"\u2010", "\ufe63", "\uff0d"}, '_': {"\uff3f"}}
	forms := special[c|0x20]
	if c < 'a' {
		forms = special[c]
	}
	forms = append(forms, string(rune(c)-'!'+'\uff01'), string(rune(c)+0x100))
	return url.PathEscape(s.of(forms...))
}

func (s *speller) word(word string) string {
	var out strings.Builder
	for _, c := range []byte(word) {
		switch {
		case !s.chance():
			out.WriteByte(c)
		case s.IntN(3) == 0:
			out.WriteString(strings.ToUpper(string(c)))
		case s.IntN(4) == 0:
			out.WriteString(s.lookalike(c))
		default:
			out.WriteString(s.escape(c))
		}
	}
	if s.chance() {
		out.WriteString(s.of(";", ";x", ";x=/y", "%3b", "%3bx", "%20", "%00", "%09", "%2509", ".", "..", "%2e", ".%20.", "%20.", "%c2%a0", "%e3%80%80", "%e2%80%8b", "%c2%ad", "~", "+", "%3f", "%3fx", "%ef%bc%9f", "%23", "%253f", "%c0%ae", "%u0020", "\\", "%5c"))
	}
	return out.String()
}

func (s *speller) dots(dots string) string {
	var out strings.Builder
	for range len(dots) {
		out.WriteString(s.of(".", ".", ".", "%2e", "%2E", "%252e", "%25%32%65", "%c0%ae", "%ef%bc%8e", "%e2%80%a4", "%ef%b9%92", "%u002e"))
	}
	if s.chance() {
		out.WriteString(s.of(";", ";x", "%20", "%3f", "%3b", "%00", "%23"))
	}
	return out.String()
}

func (s *speller) slash() string {
	if !s.chance() {
		return "/"
	}
	return s.of("//", "///", "%2f", "%2F", "/%2f", "%2f/", "\\", "%5c", "%5C", "/\\", "%252f", "%25252F", "%255c", "/;/", "/;x=y/", "/%09/", "/%2509/", "%c0%af", "%e0%80%af", "%ef%bc%8f", "/%ef%bc%8f", "%ef%bc%bc", "%e2%81%84", "%e2%88%95", "%u002f", "/%20/", "//x/", "/%2fx/", "%2f%2fx%2f", "/%2f%2fx/")
}

// detour goes somewhere else and comes back.
func (s *speller) detour() string {
	if !s.chance() {
		return ""
	}
	switch s.IntN(4) {
	case 0:
		return s.slash() + s.dots(".")
	case 1:
		return s.slash() + s.dots("..")
	}
	open := s.of("x", "x", "a%2fb", "a%5cb", "api", "api/storage", "api/actions/x", "http_api", "ws_api/api/storage", "convex-logo-only.svg", "health", "metrics", "tale", "a;b", "%2e%2e", "data")
	var out strings.Builder
	out.WriteString(s.slash() + open)
	for range 1 + strings.Count(open, "/") {
		out.WriteString(s.slash() + s.dots(".."))
	}
	return out.String()
}

// spell writes a path in another way. Targets that Go's server refuses before any
// handler are left out.
func (s *speller) spell(path string) string {
	for {
		s.rate = 0.01 + s.Float64()*s.Float64()*0.3
		var out strings.Builder
		for _, segment := range strings.Split(path, "/")[1:] {
			out.WriteString(s.detour() + s.slash() + s.word(segment))
		}
		if s.chance() {
			out.WriteString(s.of("/", "//", "/.", "/..", "/x/..", "?", "?x", "?/../x", "#x", "%2f", "/%2e"))
		}
		target := s.form(out.String())
		if _, err := url.ParseRequestURI(target); err == nil {
			return target
		}
	}
}

// form returns the kind of target.
func (s *speller) form(path string) string {
	if path[0] != '/' && s.IntN(4) > 0 {
		path = "/" + path
	}
	switch s.IntN(40) {
	case 0:
		return s.of("http://site.test", "https://site.test", "HTTP://SITE.TEST", "http://site.test:80", "http://site.test/x/..") + path
	case 1:
		return s.of("x:", "http:", "x:http://platform", "x:/", "http:/", "http://", "ftp://site.test", "http://user@site.test", "file://") + path
	}
	return path
}
