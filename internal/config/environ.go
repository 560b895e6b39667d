package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// Environ is an environment: variable names and their exact values.
type Environ map[string]string

// FromOS returns the environment of this process.
func FromOS() Environ {
	environ := Environ{}
	for _, entry := range os.Environ() {
		if name, value, ok := strings.Cut(entry, "="); ok {
			environ[name] = value
		}
	}
	return environ
}

// WithFile returns the environment completed from a dotenv file, which means what it
// means to docker compose. What the environment already sets wins, as it does there. Of the
// names that the file gives several values, which it returns, the last one counts.
func (e Environ) WithFile(path string) (complete Environ, repeated []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, Problems{{Variable: "--env-file", Wrong: fmt.Sprintf("cannot be read: %v", err), Accepted: "a dotenv file"}}
	}
	values, repeated, err := parseDotenv(string(text), func(name string) (string, bool) {
		value, set := e[name]
		return value, set
	})
	if err != nil {
		return nil, nil, Problems{{Variable: "--env-file", Wrong: fmt.Sprintf("%s cannot be used: %v", path, err), Accepted: "lines of NAME=value"}}
	}
	complete = values
	maps.Copy(complete, e)
	return complete, slices.DeleteFunc(repeated, func(name string) bool { _, set := e[name]; return set }), nil
}

// List returns the environment as NAME=value entries, the form that a child
// process takes.
func (e Environ) List() []string {
	entries := make([]string, 0, len(e))
	for name, value := range e {
		entries = append(entries, name+"="+value)
	}
	return entries
}
