package redact

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// MinLength is the shortest value that is taken out of a text. Shorter ones
// ("true", "tale") would make it unreadable and are no secrets.
const MinLength = 6

var (
	// adminKeyPattern is an admin key or deploy key of either scheme, with the user
	// to act as behind it.
	adminKeyPattern = regexp.MustCompile(`(?:[\w:.-]+\|)?\b01[0-9a-fA-F]{72,}(?::[A-Za-z0-9+/=]+)?`)
	// credentialsPattern is the password in a URL.
	credentialsPattern = regexp.MustCompile(`([a-z][a-z0-9+.-]*://[^\s/:@'"]*:)[^\s/@'"]+@`)
	// environmentPattern is a value in what a CLI older than 1.48 prints when it is
	// verbose: the answer to start_push holds every variable in clear text.
	environmentPattern = regexp.MustCompile(`("environmentVariables"\s*:\s*)\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}`)
)

// Redactor takes secrets out of text that is not ours: the output of the CLI and
// the words of the backend. It may be used by several goroutines.
type Redactor struct{ known *strings.Replacer }

// New makes a redactor of known secrets, by name. A value is found as it
// is, and as it looks inside JSON and inside a URL; of a value of several lines
// each line is found, because text is relayed line by line.
func New(secrets map[string]string) *Redactor {
	shown := map[string]string{}
	for name, value := range secrets {
		for _, form := range forms(value) {
			shown[form] = "[" + name + "]"
		}
	}
	longestFirst := make([]string, 0, len(shown))
	for form := range shown {
		longestFirst = append(longestFirst, form)
	}
	slices.SortFunc(longestFirst, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, form := range longestFirst {
		pairs = append(pairs, form, shown[form])
	}
	return &Redactor{known: strings.NewReplacer(pairs...)}
}

// forms are the spellings of a secret that are looked for.
func forms(value string) []string {
	candidates := []string{value, url.QueryEscape(value), url.PathEscape(value), url.UserPassword("", value).String()[1:]}
	if quoted, err := json.Marshal(value); err == nil {
		candidates = append(candidates, string(quoted[1:len(quoted)-1]))
	}
	if strings.ContainsAny(value, "\r\n") {
		candidates = append(candidates, strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })...)
	}
	return slices.DeleteFunc(candidates, func(form string) bool { return len(strings.TrimSpace(form)) < MinLength })
}

// Redact replaces every secret it finds by its name in brackets. A nil redactor
// still finds admin keys and passwords in URLs.
func (r *Redactor) Redact(text string) string {
	if r != nil {
		text = r.known.Replace(text)
	}
	text = environmentPattern.ReplaceAllString(text, "${1}{[redacted]}")
	text = credentialsPattern.ReplaceAllString(text, "${1}[redacted]@")
	return adminKeyPattern.ReplaceAllString(text, "[admin key]")
}
