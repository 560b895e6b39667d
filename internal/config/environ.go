package config

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/hashicorp/go-envparse"
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

// WithFile returns the environment completed from a dotenv file. What the
// environment already sets wins, as it does with docker compose.
func (e Environ) WithFile(path string) (Environ, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, Problems{{Variable: "--env-file", Wrong: fmt.Sprintf("cannot be read: %v", err), Accepted: "a dotenv file"}}
	}
	defer func() { _ = file.Close() }()
	values, err := envparse.Parse(file)
	if err != nil {
		return nil, Problems{{Variable: "--env-file", Wrong: fmt.Sprintf("%s is not a dotenv file: %v", path, err), Accepted: "lines of NAME=value"}}
	}
	complete := Environ(values)
	maps.Copy(complete, e)
	return complete, nil
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
