package envsync

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// placeholderPattern is what compose or a shell would have replaced.
var placeholderPattern = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*(:?[-?+][^}]*)?\}`)

// warningsOf returns remarks about values that look as if something before us had
// broken them. Nothing is changed: they may be meant. No value is quoted.
func warningsOf(goal Goal) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(goal.Values)) {
		for _, remark := range remarksOn(goal.Values[name]) {
			warnings = append(warnings, name+" "+remark)
		}
	}
	return warnings
}

func remarksOn(value string) []string {
	pem := strings.Contains(value, "-----BEGIN ")
	trimmed := strings.TrimRight(value, "\r\n")
	var remarks []string
	for _, check := range []struct {
		broken bool
		remark string
	}{
		{isQuoted(value), "is wrapped in quotes, which are part of it here"},
		{strings.Contains(value, "\r"), `contains a carriage return: was its file written on Windows?`},
		{value != trimmed && !pem, "ends with a line break"},
		{strings.Trim(trimmed, " \t") != trimmed, "begins or ends with a blank"},
		{pem && strings.Contains(value, `\n`), `is a PEM document with the two characters \n where line breaks belong`},
		{placeholderPattern.MatchString(value), "contains a ${…} that nothing has replaced"},
	} {
		if check.broken {
			remarks = append(remarks, check.remark)
		}
	}
	return remarks
}

func isQuoted(value string) bool {
	if len(value) < 2 {
		return false
	}
	first, last := value[0], value[len(value)-1]
	return first == last && (first == '"' || first == '\'')
}

// checkSendable reports the variables that JSON cannot carry byte for byte. The
// backend's own limits are the backend's to apply: they differ by release.
func checkSendable(goal Goal) error {
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(goal.Values)) {
		value := goal.Values[name]
		if !utf8.ValidString(value) {
			bad = append(bad, fmt.Sprintf("%s (%d bytes) is not valid UTF-8", name, len(value)))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("cannot push %d environment variables; the backend stores text only, encode binary values (base64):\n%s", len(bad), strings.Join(bad, "\n"))
}
