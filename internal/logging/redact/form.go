package redact

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// edge is how much of a secret, in characters, counts as a part of it at the end
// of a text that was cut. Fewer give too little away to make a text unreadable.
const edge = 4

// form is a value to be found, with what is shown in its place.
type form struct {
	elements []element
	fold     bool // letters in either case
	shown    string
}

// newForm folds the case of long values only, as short ones may be words, and of
// those in hex.
func newForm(value, shown string) *form {
	f := &form{shown: shown, fold: len(value) >= 16 || strings.Trim(value, "0123456789abcdef") == ""}
	for value != "" {
		_, size := utf8.DecodeRuneInString(value)
		f.elements = append(f.elements, newElement(value[:size]))
		value = value[size:]
	}
	return f
}

// forms returns the value itself, each line of one that has several, because text is
// relayed line by line, and its encodings as a whole.
func forms(name, value string) []*form {
	shown := "[" + name + "]"
	values := append([]string{value}, encodings(value)...)
	if strings.ContainsAny(value, "\r\n") {
		values = append(values, strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })...)
	}
	values = slices.DeleteFunc(values, func(v string) bool { return len(strings.TrimSpace(v)) < MinLength })
	slices.Sort(values)
	var found []*form
	for _, v := range slices.Compact(values) {
		found = append(found, newForm(v, shown))
	}
	return found
}

// encodings returns the value in hex, as lists of bytes, and in base64 at each of the
// three places that it may have in a longer text, such as the user and password of a
// header.
func encodings(value string) []string {
	if len(value) < MinLength {
		return nil
	}
	found := append([]string{hex.EncodeToString([]byte(value))}, byteLists(value)...)
	for before := range 3 {
		bits := 8 * (before + len(value))
		whole := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", before) + value))
		// The first characters hold bits of what stands before, the last of what follows.
		core := whole[(8*before+5)/6 : bits/6]
		found = append(found, core, strings.NewReplacer("+", "-", "/", "_").Replace(core))
	}
	return found
}

// shownOfBuffer is how many bytes of a Buffer Node.js prints.
const shownOfBuffer = 50

// byteLists returns the value as Go, Rust ({:?}), JSON and Node.js (a Buffer) print bytes that
// they do not take for text. It knows neither the columns of a Uint8Array nor a number a
// line ({:#?}), nor a value in the middle of a longer Buffer.
func byteLists(value string) []string {
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(value)), "[]")
	return []string{
		decimal, strings.ReplaceAll(decimal, " ", ", "), strings.ReplaceAll(decimal, " ", ","),
		fmt.Sprintf("% x", value[:min(len(value), shownOfBuffer)]),
	}
}

// match returns where a spelling of the value ends that begins at p, or -1. The
// end of a text that was cut may come first.
func (f *form) match(text string, p int, cut bool) int {
	frontier := positions{count: 1}
	frontier.at[0] = p
	for i := range f.elements {
		e, at := &f.elements[i], frontier.at[0]
		if e.plain && frontier.count == 1 && at < len(text) {
			if text[at] != e.text[0] && (!f.fold || text[at]^0x20 != e.text[0]) {
				return -1
			}
			frontier.at[0]++
			continue
		}
		var next positions
		exhausted := false
		for _, at := range frontier.at[:frontier.count] {
			if at < len(text) {
				e.ends(text, at, f.fold, &next)
			}
			exhausted = exhausted || isBeginning(text[at:])
		}
		if cut && exhausted && i >= edge {
			return len(text)
		}
		if next.count == 0 {
			return -1
		}
		frontier = next
	}
	return slices.Max(frontier.at[:frontier.count])
}

// isBeginning reports whether nothing is left of a text but perhaps the beginning
// of a character or of an escape.
func isBeginning(rest string) bool {
	return rest == "" || !utf8.FullRuneInString(rest) || strings.HasPrefix(shellQuote, rest) || (len(rest) < 24 && strings.IndexByte(`\%&`, rest[0]) >= 0 && !strings.ContainsAny(rest, " \"',"))
}
