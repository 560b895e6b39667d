package config

import (
	"slices"
	"testing"
)

func TestStrays(t *testing.T) {
	for value, want := range map[string][]string{
		"0a1b":                   nil,
		"it's fine":              nil,
		"'":                      nil,
		`"0a1b"`:                 {"is wrapped in quotes, which are part of it here"},
		"\"0a1b\"\n":             {"is wrapped in quotes, which are part of it here", "ends with a line break"},
		"0a1b\r\n":               {"contains a carriage return: was its file written on Windows?", "ends with a line break"},
		"0a\n1b":                 {"has a line break in it"},
		" 0a1b":                  {"begins or ends with a blank"},
		"NAME=0a1b":              {"begins with its own name and a ="},
		"${NAME}":                {"contains a ${…} that nothing has replaced"},
		"-----BEGIN X-----\nA\n": nil,
	} {
		if got := Strays("NAME", value); !slices.Equal(got, want) {
			t.Errorf("%q: %q", value, got)
		}
	}
}
