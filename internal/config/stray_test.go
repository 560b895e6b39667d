package config

import (
	"slices"
	"strings"
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
		"{\n  \"a\": 1\n}":       nil,
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

// A password is one line, and what holds several keys is not.
func TestLineStrays(t *testing.T) {
	for value, want := range map[string][]string{
		"0a1b":                     nil,
		"0a1b\n":                   {"ends with a line break"},
		"0a\n1b":                   {"has a line break in it"},
		"-----BEGIN X-----\nA\n":   nil,
		"# a\nAGE-SECRET-KEY-1\n#": nil,
	} {
		if got := LineStrays("NAME", value); !slices.Equal(got, want) {
			t.Errorf("%q: %q", value, got)
		}
	}
}

// A problem says what its value has too much of, and does not show the value.
func TestLoadNamesStrays(t *testing.T) {
	var settings struct {
		Port   int    `env:"SOME_PORT"`
		Secret Secret `env:"SOME_SECRET" secret:"true"`
	}
	err := Load(&settings, Environ{"SOME_PORT": "80\r"})
	if err == nil || !strings.Contains(err.Error(), "carriage return: was its file written on Windows?") {
		t.Error(err)
	}
}
