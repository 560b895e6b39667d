package project

import (
	"slices"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Source is where a value comes from.
type Source string

// Sources of values.
const (
	FromFile    Source = "file" // .env
	FromShell   Source = "shell"
	FromDefault Source = "default"
)

// Value is the value of a variable.
type Value struct {
	Text string
	From Source
}

// Settings are a project's variables.
type Settings map[string]Value

// Get returns a value, "" if it is not set.
func (s Settings) Get(name string) string { return s[name].Text }

// Environ returns the settings as an environment.
func (s Settings) Environ() config.Environ {
	environ := config.Environ{}
	for name, value := range s {
		environ[name] = value.Text
	}
	return environ
}

// FromShell returns the names of the variables that only the shell sets, sorted.
func (s Settings) FromShell() []string {
	var names []string
	for name, value := range s {
		if value.From == FromShell {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
