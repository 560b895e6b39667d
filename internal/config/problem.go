package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// Problem is one thing that is wrong with the settings. None of its texts
// holds a secret.
type Problem struct {
	Variable string // the environment variable, or the flag
	Wrong    string // what is wrong with it, as a predicate: "is not set"
	Accepted string // what would be right; "" in a Validate: what the tag accept says
	Fix      string // what to do; "": correct the variable
}

// longestWrong is how much is shown of what is wrong, which may quote a value of any
// length, in bytes.
const longestWrong = 280

func (p Problem) String() string {
	wrong := Excerpt(p.Wrong, longestWrong)
	if p.Accepted == "" {
		return p.Variable + " " + wrong
	}
	return fmt.Sprintf("%s %s; accepted: %s", p.Variable, wrong, p.Accepted)
}

// Problems are all the things wrong with the settings. As an error they stand
// for exit code 78.
type Problems []Problem

func (p Problems) Error() string {
	if len(p) == 1 {
		return "cannot use the configuration: " + p[0].String()
	}
	lines := []string{fmt.Sprintf("cannot use the configuration: %d problems", len(p))}
	for _, problem := range p {
		lines = append(lines, "  - "+problem.String())
	}
	return strings.Join(lines, "\n")
}

// ExitCode returns exit.Config.
func (p Problems) ExitCode() int { return exit.Config }

// Err returns the problems as an error, nil when there are none.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Without leaves out the problems of some variables.
func (p Problems) Without(variables []Variable) Problems {
	return slices.DeleteFunc(slices.Clone(p), func(problem Problem) bool {
		return slices.ContainsFunc(variables, func(v Variable) bool { return v.Name == problem.Variable })
	})
}

func (p Problems) names() []string {
	names := make([]string, len(p))
	for i, problem := range p {
		names[i] = problem.Variable
	}
	return names
}

// merge adds the problems of variables that have none yet: a value that could
// not even be parsed needs no second verdict.
func (p Problems) merge(others Problems) Problems {
	known := p.names()
	for _, other := range others {
		if !slices.Contains(known, other.Variable) {
			p = append(p, other)
		}
	}
	return p
}
