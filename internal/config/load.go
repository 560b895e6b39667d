package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Validator is a settings struct that checks its values after parsing.
type Validator interface {
	Validate() Problems
}

// Load fills target, a pointer to a settings struct, from the environment.
// The error is a Problems with everything that is wrong.
func Load(target any, environ Environ) error {
	variables := Describe(target)
	values, problems := resolve(variables, environ)
	err := env.ParseWithOptions(target, env.Options{
		Environment: values,
		// Defaults are filled in by resolve: the parser takes empty for unset
		// even where empty is a value.
		DefaultValueTagName: "-",
		FuncMap:             map[reflect.Type]env.ParserFunc{reflect.TypeFor[time.Duration](): parseDuration},
	})
	problems = problems.merge(parseProblems(err, variables, values))
	if v, ok := target.(Validator); ok {
		problems = problems.merge(v.Validate())
	}
	return problems.Err()
}

// resolve reads NAME_FILE secrets and fills in defaults.
func resolve(variables []Variable, environ Environ) (Environ, Problems) {
	values := maps.Clone(environ)
	if values == nil {
		values = Environ{}
	}
	var problems Problems
	for _, v := range variables {
		if path := environ[v.FileName()]; v.FileName() != "" && path != "" {
			problems = append(problems, readSecret(v, path, values)...)
		}
		if value, set := values[v.Name]; !set || (value == "" && !v.keepEmpty) {
			delete(values, v.Name)
			if v.Default != "" {
				values[v.Name] = v.Default
			}
		}
	}
	return values, problems
}

func readSecret(v Variable, path string, values Environ) Problems {
	if values[v.Name] != "" {
		return Problems{{Variable: v.Name, Wrong: "is set, and so is " + v.FileName(), Accepted: "one of the two"}}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("cannot be read: %v", err), Accepted: "the path of a readable file that holds the value"}}
	}
	// Editors and `echo` end a file with a line break that is not part of the secret.
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return Problems{{Variable: v.FileName(), Wrong: fmt.Sprintf("names the file %s, which is empty", path), Accepted: "a file that holds the value"}}
	}
	values[v.Name] = value
	return nil
}

// parseProblems translates the parser's errors, which name struct fields, into
// problems of variables.
func parseProblems(err error, variables []Variable, values Environ) Problems {
	if err == nil {
		return nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return Problems{{Variable: "settings", Wrong: err.Error()}}
	}
	byField := map[string]Variable{}
	for _, v := range variables {
		byField[v.field] = v
	}
	var problems Problems
	for _, one := range all.Errors {
		var parse env.ParseError
		var unset env.VarIsNotSetError
		switch {
		case errors.As(one, &parse):
			v := byField[parse.Name]
			problems = append(problems, Problem{Variable: v.Name, Wrong: v.shown(values[v.Name]) + " is not " + kindName(parse.Type), Accepted: v.Accept})
		case errors.As(one, &unset):
			problems = append(problems, missing(variables, unset.Key))
		default:
			problems = append(problems, Problem{Variable: "settings", Wrong: one.Error()})
		}
	}
	return problems
}

func missing(variables []Variable, name string) Problem {
	for _, v := range variables {
		if v.Name == name {
			return Problem{Variable: name, Wrong: "is not set", Accepted: v.Accept}
		}
	}
	return Problem{Variable: name, Wrong: "is not set"}
}

func kindName(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return "a duration"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	default:
		return "a value of the right form"
	}
}

// parseDuration accepts whole seconds ("300") and Go durations ("5m"). Negative
// ones are refused: no setting of ours waits for less than nothing.
func parseDuration(value string) (any, error) {
	duration, err := time.ParseDuration(value)
	if seconds, numberErr := strconv.ParseInt(value, 10, 32); numberErr == nil {
		duration, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil || duration < 0 {
		return nil, fmt.Errorf("not a duration")
	}
	return duration, nil
}
