package redact

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// element is one character of a value with the spellings that it may have in a
// text: as it is, or as Go, JavaScript, Rust, Postgres and web pages escape it,
// also twice. No encoder escapes ASCII letters and digits.
type element struct {
	text    string // UTF-8
	char    rune
	plain   bool
	numbers []string // the spellings by its number, behind one backslash
}

// maxBackslashes bounds the escapes around one character: three levels of JSON
// make seven of a quote, four fifteen.
const maxBackslashes = len(backslashes)

var entities = map[rune]string{'"': "quot;", '&': "amp;", '<': "lt;", '>': "gt;", '\'': "apos;"}

var controls = map[rune]byte{'\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f', '\v': 'v', '\a': 'a', 0: '0'}

func newElement(text string) element {
	char, _ := utf8.DecodeRuneInString(text)
	if isAlphanumeric(char) {
		return element{text: text, char: char, plain: true}
	}
	return element{text: text, char: char, numbers: numbers(text, char)}
}

func isAlphanumeric(r rune) bool {
	return (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9')
}

// pairs calls yield with each two bytes with which a spelling of e and then next
// may begin.
func (e *element) pairs(next *element, fold bool, yield func(first, second byte)) {
	for _, second := range append(next.begins(fold), e.text[0]) { // itself, where it is doubled
		if len(e.text) > 1 {
			second = e.text[1]
		}
		yield(e.text[0], second)
		if e.char == '\'' {
			yield('\'', '\\')
		}
		if e.plain && fold {
			yield(e.text[0]^0x20, second)
		}
		if e.char == ' ' {
			yield('+', second)
		}
	}
	if e.plain {
		return
	}
	for _, second := range []byte{'\\', 'u', 'U', 'x', '0', '1', '2', '3', e.text[0], controls[e.char]} {
		yield('\\', second)
	}
	for _, second := range []byte{'2', fmt.Sprintf("%02x", e.text[0])[0]} {
		yield('%', second)
		yield('%', second&^0x20)
	}
	yield('&', 'a')
	yield('&', '#')
	if name := entities[e.char]; name != "" {
		yield('&', name[0])
	}
}

// begins returns the bytes with which a spelling of the element may begin.
func (e *element) begins(fold bool) []byte {
	begins := []byte{e.text[0]}
	if e.plain && fold {
		begins = append(begins, e.text[0]^0x20)
	}
	if e.char == ' ' {
		begins = append(begins, '+')
	}
	if !e.plain {
		begins = append(begins, '%', '\\', '&')
	}
	return begins
}

// ends adds where a spelling of the element ends that begins at p.
func (e *element) ends(text string, p int, fold bool, to *positions) {
	if strings.HasPrefix(text[p:], e.text) || (fold && e.plain && text[p]^0x20 == e.text[0]) {
		to.add(p + len(e.text))
	}
	if e.plain {
		return
	}
	switch c := text[p]; {
	case c == '\\':
		e.escaped(text, p, to)
	case c == '%':
		percent(e.text, text, p, to)
		if e.char == ' ' {
			percent("+", text, p, to)
		}
	case c == '&':
		e.entity(text, p+1, to)
	case c == '+' && e.char == ' ':
		to.add(p + 1)
	}
	if e.char == '\'' || e.char == '"' { // SQL and CSV double it
		if strings.HasPrefix(text[p:], e.text+e.text) {
			to.add(p + 2)
		}
	}
	if e.char == '\'' && strings.HasPrefix(text[p:], shellQuote) {
		to.add(p + len(shellQuote))
	}
}

// shellQuote is a quote as a shell has it between single quotes.
const shellQuote = `'\''`

// escaped reads backslashes and what they escape.
func (e *element) escaped(text string, p int, to *positions) {
	n := 1
	for n < maxBackslashes && p+n < len(text) && text[p+n] == '\\' {
		n++
	}
	if e.char == '\\' {
		for k := 2; k <= n; k *= 2 {
			to.add(p + k)
		}
	}
	rest := text[p+n:]
	if rest == "" {
		return
	}
	if e.char != '\\' && strings.HasPrefix(rest, e.text) {
		to.add(p + n + len(e.text))
	}
	if letter, ok := controls[e.char]; ok && rest[0] == letter {
		to.add(p + n + 1)
	}
	if strings.IndexByte("uUx0123", rest[0]) < 0 {
		return
	}
	for _, spelling := range e.numbers {
		if end := numbered(text, p, n, spelling); end > 0 {
			to.add(end)
		}
	}
}

// numbered returns where a spelling ends each of whose backslashes stands n times
// in the text, or 0.
func numbered(text string, p, n int, spelling string) int {
	for i := range len(spelling) {
		if spelling[i] == '\\' {
			if !strings.HasPrefix(text[p:], backslashes[:n]) {
				return 0
			}
			p += n
			continue
		}
		if p >= len(text) || (text[p] != spelling[i] && (spelling[i] == 'u' || spelling[i] == 'U' || text[p]|0x20 != spelling[i])) {
			return 0
		}
		p++
	}
	return p
}

const backslashes = `\\\\\\\\\\\\\\\\`

func numbers(text string, char rune) []string {
	var inHex, inOctal strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&inHex, `\x%02x`, text[i])
		fmt.Fprintf(&inOctal, `\%03o`, text[i])
	}
	return []string{utf16Escapes(char), fmt.Sprintf(`\u{%x}`, char), fmt.Sprintf(`\U%08x`, char), inHex.String(), inOctal.String()}
}

func utf16Escapes(char rune) string {
	var escapes strings.Builder
	for _, unit := range utf16.AppendRune(nil, char) {
		fmt.Fprintf(&escapes, `\u%04x`, unit)
	}
	return escapes.String()
}

// percent reads %XX for each byte, where the percent sign may itself be escaped.
func percent(spelled, text string, p int, to *positions) {
	for sign := 1; sign <= 7; sign += 2 {
		end, ok := p, true
		for i := 0; i < len(spelled) && ok; i++ {
			ok = len(text)-end >= sign+2 && text[end:end+sign] == percentSign[:sign] && unhex(text[end+sign]) == spelled[i]>>4 && unhex(text[end+sign+1]) == spelled[i]&15
			end += sign + 2
		}
		if ok {
			to.add(end)
		}
	}
}

// percentSign is a percent sign that is itself escaped three times.
const percentSign = "%252525"

// unhex returns the value of a digit in hex, or 255.
func unhex(digit byte) byte {
	if digit >= '0' && digit <= '9' {
		return digit - '0'
	}
	if digit |= 0x20; digit >= 'a' && digit <= 'f' {
		return digit - 'a' + 10
	}
	return 255
}

// entity reads what stands behind the ampersand of an HTML entity.
func (e *element) entity(text string, p int, to *positions) {
	for {
		rest := text[p:]
		name, _, found := strings.Cut(rest[:min(len(rest), 12)], ";")
		if found && e.named(name+";") {
			to.add(p + len(name) + 1)
		}
		if !strings.HasPrefix(rest, "amp;") {
			return
		}
		p += len("amp;")
	}
}

func (e *element) named(name string) bool {
	if name == entities[e.char] {
		return true
	}
	digits, numeric := strings.CutPrefix(strings.TrimSuffix(name, ";"), "#")
	if !numeric {
		return false
	}
	base := 10
	if digits != "" && digits[0]|0x20 == 'x' {
		base, digits = 16, digits[1:]
	}
	number, err := strconv.ParseInt(digits, base, 32)
	return err == nil && rune(number) == e.char
}

// positions are a few places in a text; more than fit are alternatives that only
// a value of many backslashes has.
type positions struct {
	at    [8]int
	count int
}

func (p *positions) add(at int) {
	for _, known := range p.at[:p.count] {
		if known == at {
			return
		}
	}
	if p.count < len(p.at) {
		p.at[p.count] = at
		p.count++
	}
}
