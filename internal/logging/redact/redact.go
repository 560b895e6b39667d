package redact

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// MinLength is the shortest value that is taken out of a text. Shorter ones
// ("true", "tale") would make it unreadable and are no secrets.
const MinLength = 6

var (
	// adminKeyPattern is an admin key or deploy key of either scheme, with the user
	// to act as behind it.
	adminKeyPattern = regexp.MustCompile(`(?:[\w:.-]+\|)?\b01[0-9a-fA-F]{72,}(?::[A-Za-z0-9+/=]+)?`)
	// credentialsPattern is the password in a URL.
	credentialsPattern = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@'"]*:)[^\s/@'"]+@`)
	// cutPattern is a URL or a key that was cut within what may be secret. A port is not.
	cutPattern = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@'"]*:)[^\s/@'"]*[^\s/@'"0-9][^\s/@'"]*$|[\w:.-]+\|01[0-9a-fA-F]{4,}$`)
	// environmentPattern is a value in what a CLI older than 1.48 prints when it is
	// verbose: the answer to start_push holds every variable in clear text.
	environmentPattern = regexp.MustCompile(`("environmentVariables"\s*:\s*)\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}`)
)

// Redactor takes secrets out of text that is not ours: what the CLI and the
// backend print and answer. A nil one knows no values and finds patterns only.
// It may be used by several goroutines.
type Redactor struct {
	starts [256][]*form  // by their first byte, the longest first
	pairs  [1 << 13]byte // a bit for each two bytes with which a form may begin
}

// New returns a redactor of secrets by name.
func New(secrets map[string]string) *Redactor {
	r := &Redactor{}
	var all []*form
	for name, value := range secrets {
		all = append(all, forms(name, value)...)
	}
	slices.SortFunc(all, func(a, b *form) int {
		return cmp.Or(cmp.Compare(len(b.elements), len(a.elements)), cmp.Compare(a.shown, b.shown))
	})
	for _, f := range all {
		f.elements[0].pairs(&f.elements[1], f.fold, func(first, second byte) {
			pair := int(first)<<8 | int(second)
			r.pairs[pair>>3] |= 1 << (pair & 7)
			if known := r.starts[first]; len(known) == 0 || known[len(known)-1] != f {
				r.starts[first] = append(known, f)
			}
		})
	}
	return r
}

// Redact replaces every secret by its name in brackets.
func (r *Redactor) Redact(text string) string { return r.piece("", text, false) }

// Limit redacts a text and then cuts it to a number of bytes.
func (r *Redactor) Limit(text string, limit int) string {
	text = r.Redact(text)
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}

// overlap is how much of a piece is looked at again with the next one.
const overlap = 8 << 10

// Pieces returns a function that redacts the pieces of a child's streams one after
// the other. One that is at least as long as the given number of bytes has been cut,
// and the next of its stream continues it: a secret may begin in the one and end in
// the other. The function must not be called concurrently.
func Pieces[Stream comparable](r *Redactor, longest int) func(stream Stream, text string) string {
	before := map[Stream]string{} // the ends of the pieces that the next ones continue
	return func(stream Stream, text string) string {
		cut := len(text) >= longest
		redacted := r.piece(before[stream], text, cut)
		delete(before, stream)
		if cut {
			before[stream] = strings.Clone(text[max(0, len(text)-overlap):])
		}
		return redacted
	}
}

// piece redacts a text that continues another, and may be cut at its end.
func (r *Redactor) piece(before, text string, cut bool) string {
	if r != nil {
		text = r.known(before, text, cut)
	}
	if strings.Contains(text, `"environmentVariables"`) {
		text = environmentPattern.ReplaceAllString(text, "${1}{[redacted]}")
	}
	if _, behind, found := strings.Cut(text, "://"); found && strings.IndexByte(behind, '@') >= 0 {
		text = credentialsPattern.ReplaceAllString(text, "${1}[redacted]@")
	}
	if cut {
		text = cutPattern.ReplaceAllString(text, "${1}[redacted]")
	}
	if hasDigits(text, 74) {
		text = adminKeyPattern.ReplaceAllString(text, "[admin key]")
	}
	return text
}

// hasDigits reports whether a text has so many hex digits in a row. It looks at each
// run from its end, and so at a small part of most texts.
func hasDigits(text string, least int) bool {
	for begin := 0; begin+least <= len(text); {
		last := begin + least - 1
		for last >= begin && unhex(text[last]) <= 15 {
			last--
		}
		if last < begin {
			return true
		}
		begin = last + 1
	}
	return false
}

func (r *Redactor) known(before, text string, cut bool) string {
	whole := before + text
	var out strings.Builder
	done := len(before) // what of whole is in out
	for p := 0; p < len(whole); {
		if p+1 < len(whole) && !r.mayBegin(whole[p], whole[p+1]) {
			p++
			continue
		}
		end, shown := r.at(whole, p, cut)
		if end < 0 {
			p++
			continue
		}
		if end > done {
			out.WriteString(whole[done:max(p, done)])
			out.WriteString(shown)
			done = end
		}
		p = end
	}
	if done == len(before) {
		return text
	}
	out.WriteString(whole[done:])
	return out.String()
}

// mayBegin reports whether a form begins with two bytes.
func (r *Redactor) mayBegin(first, second byte) bool {
	pair := uint(first)<<8 | uint(second)
	return r.pairs[pair>>3]&(1<<(pair&7)) != 0
}

// at returns the end of the longest secret that begins at p, or -1.
func (r *Redactor) at(text string, p int, cut bool) (end int, shown string) {
	end = -1
	for _, f := range r.starts[text[p]] {
		if found := f.match(text, p, cut); found > end {
			end, shown = found, f.shown
		}
	}
	return end, shown
}
