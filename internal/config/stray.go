package config

import (
	"regexp"
	"strings"
)

// placeholderPattern is what compose or a shell would have replaced.
var placeholderPattern = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*(:?[-?+][^}]*)?\}`)

// LineStrays returns the Strays of a value that is one line, as a password or a secret is. Of
// PEM documents and age keys there may be several lines.
func LineStrays(variable, value string) []string {
	strays := Strays(variable, value)
	if strings.Contains(strings.TrimRight(value, "\r\n"), "\n") && !strings.Contains(value, pemMark) && !strings.Contains(value, "AGE-SECRET-KEY-") {
		strays = append(strays, "has a line break in it")
	}
	return strays
}

// pemMark begins a PEM document.
const pemMark = "-----BEGIN "

// Strays returns, as predicates, what looks as if something before us had broken the value of
// a variable. It may be meant. None of them shows the value.
func Strays(variable, value string) []string {
	pem := strings.Contains(value, pemMark)
	trimmed := strings.TrimRight(value, "\r\n")
	var strays []string
	for _, check := range []struct {
		broken bool
		stray  string
	}{
		{isQuoted(trimmed), "is wrapped in quotes, which are part of it here"},
		{strings.HasPrefix(value, variable+"="), "begins with its own name and a ="},
		{strings.Contains(value, "\r"), `contains a carriage return: was its file written on Windows?`},
		{value != trimmed && !pem, "ends with a line break"},
		{strings.Trim(trimmed, " \t") != trimmed, "begins or ends with a blank"},
		{pem && strings.Contains(value, `\n`), `is a PEM document with the two characters \n where line breaks belong`},
		{placeholderPattern.MatchString(value), "contains a ${…} that nothing has replaced"},
	} {
		if check.broken {
			strays = append(strays, check.stray)
		}
	}
	return strays
}

func isQuoted(value string) bool {
	if len(value) < 2 {
		return false
	}
	first, last := value[0], value[len(value)-1]
	return first == last && (first == '"' || first == '\'')
}
