// Package bundle reads bundled JavaScript as text: the exports of a module, the
// tables of a schema, the providers of an auth.config. It understands what the
// bundler of the convex command line client writes and is tolerant of the rest:
// what it cannot read does not exist. It runs nothing.
package bundle

import (
	"iter"
	"regexp"
	"slices"
	"strings"
)

// StringArg matches the first argument of a call, if it is a string.
var StringArg = regexp.MustCompile(`^\s*["']([^"']+)["']`)

var declared = regexp.MustCompile(`^\s+(?:const|let|var|function)\s+([\w$]+)`)

// ExportedNames lists what a module exports, from the export statements that the
// bundler writes, export { local as name }, and from export const name.
func ExportedNames(source string) []string {
	var names []string
	for at := range Occurrences(source, "export") {
		rest := source[at+len("export"):]
		lineStart := at == 0 || source[at-1] == '\n' // and no example in a comment
		if name := First(declared, rest); name != "" && lineStart {
			names = append(names, name)
			continue
		}
		list, ok := strings.CutPrefix(strings.TrimLeft(rest, " \n"), "{")
		if !ok {
			continue
		}
		list, _, _ = strings.Cut(list, "}")
		for entry := range strings.SplitSeq(list, ",") {
			if words := strings.Fields(entry); len(words) > 0 {
				names = append(names, words[len(words)-1])
			}
		}
	}
	return names
}

// LocalNames returns the names under which a bundle calls a library function.
// The library is minified, and its functions are given their names back by a
// call that has both: n(O, "defineTable").
func LocalNames(source, name string) []string {
	names := []string{name}
	for at := range Occurrences(source, `"`+name+`"`) {
		before := strings.TrimRight(source[:at], " \t\n")
		if before, ok := strings.CutSuffix(before, ","); ok {
			if local := trailingIdentifier(before); local != "" {
				names = append(names, local)
			}
		}
	}
	return names
}

// CallsOf finds the calls of any of the names, but not a function's own
// definition. Each is the offset of the name and that of the parenthesis.
func CallsOf(source string, names []string) [][2]int {
	var calls [][2]int
	for _, name := range names {
		for at := range Occurrences(source, name+"(") {
			before := source[:at]
			if trailingIdentifier(before) != "" || strings.HasSuffix(before, ".") ||
				strings.HasSuffix(strings.TrimRight(before, " \t\n"), "function") {
				continue
			}
			calls = append(calls, [2]int{at, at + len(name)})
		}
	}
	slices.SortFunc(calls, func(a, b [2]int) int { return a[0] - b[0] })
	return calls
}

// Occurrences yields the offsets of a word in a text.
func Occurrences(source, word string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for from := 0; ; {
			at := strings.Index(source[from:], word)
			if at < 0 || !yield(from+at) {
				return
			}
			from += at + len(word)
		}
	}
}

// trailingIdentifier returns the identifier that a text ends with, if it does.
func trailingIdentifier(text string) string {
	start := len(text)
	for start > 0 && isIdentifierByte(text[start-1]) {
		start--
	}
	return text[start:]
}

func isIdentifierByte(b byte) bool {
	return b == '_' || b == '$' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// Closing returns the offset after the bracket that closes the one at open, or -1.
func Closing(source string, open int) int {
	depth := 0
	for i := open; i < len(source); i++ {
		switch source[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'', '`':
			if i = endOfString(source, i); i < 0 {
				return -1
			}
		case '/':
			i = endOfComment(source, i)
		}
	}
	return -1
}

// endOfString returns the offset of the quote that ends the string at start.
func endOfString(source string, start int) int {
	for i := start + 1; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case source[start]:
			return i
		}
	}
	return -1
}

// endOfComment returns the offset of the last byte of the comment at start, or
// start when there is none.
func endOfComment(source string, start int) int {
	rest := source[start:]
	switch {
	case strings.HasPrefix(rest, "//"):
		if end := strings.IndexByte(rest, '\n'); end >= 0 {
			return start + end
		}
		return len(source) - 1
	case strings.HasPrefix(rest, "/*"):
		if end := strings.Index(rest, "*/"); end >= 0 {
			return start + end + 1
		}
		return len(source) - 1
	}
	return start
}

// WithoutComments returns a text with every comment and every run of white space as one
// blank, those in strings aside: texts that are the same then mean the same.
func WithoutComments(source string) string {
	var out strings.Builder
	for at := 0; at < len(source); {
		if next := skipBlank(source, at); next > at {
			out.WriteByte(' ')
			at = next
			continue
		}
		end := at
		if strings.IndexByte("\"'`", source[at]) >= 0 {
			if end = endOfString(source, at); end < 0 {
				end = len(source) - 1
			}
		}
		out.WriteString(source[at : end+1])
		at = end + 1
	}
	return strings.TrimSpace(out.String())
}

// skipBlank returns the offset of the first byte from at on that is neither
// white space nor comment.
func skipBlank(source string, at int) int {
	for at < len(source) {
		if strings.IndexByte(" \t\r\n", source[at]) >= 0 {
			at++
			continue
		}
		end := endOfComment(source, at)
		if end == at {
			break
		}
		at = end + 1
	}
	return at
}
