package config

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Validator is a settings struct, or a group in one, that checks its values after
// parsing. Load checks groups first, so a struct need not call theirs.
type Validator interface {
	Validate() Problems
}

// Load fills target, a pointer to a settings struct, from the environment.
// The error is a Problems with everything that is wrong.
func Load(target any, environ Environ) error {
	variables := Describe(target)
	values, problems := resolve(variables, environ)
	parsers := &parsers{}
	err := env.ParseWithOptions(target, env.Options{
		Environment: values,
		// Defaults are filled in by resolve: the parser takes empty for unset
		// even where empty is a value.
		DefaultValueTagName: "-",
		OnSet:               parsers.reading,
		FuncMap:             parsers.table(),
	})
	problems = problems.merge(parseProblems(err, variables, values))
	problems = withAccepted(variables, validate(reflect.ValueOf(target), problems))
	return withoutFollowUps(variables, withStrays(values, problems)).Err()
}

// withStrays adds to problems what a value has too much of.
func withStrays(values Environ, problems Problems) Problems {
	for i, p := range problems {
		if strays := LineStrays(p.Variable, values[p.Variable]); len(strays) > 0 {
			problems[i].Wrong += ": it " + strings.Join(strays, " and ")
		}
	}
	return problems
}

// withAccepted gives problems that do not say what would be right what the variable's tag
// says.
func withAccepted(variables []Variable, problems Problems) Problems {
	for i, p := range problems {
		if p.Accepted == "" {
			problems[i].Accepted = find(variables, p.Variable).Accept
		}
	}
	return problems
}

// validate adds the verdicts of a settings struct and, before it, of the groups
// in it.
func validate(target reflect.Value, problems Problems) Problems {
	for field, value := range target.Elem().Fields() {
		if field.IsExported() && value.Kind() == reflect.Struct {
			problems = validate(value.Addr(), problems)
		}
	}
	if v, ok := target.Interface().(Validator); ok {
		problems = problems.merge(v.Validate())
	}
	return problems
}

// withoutFollowUps leaves out what is said of a secret whose file cannot be used: that it is
// not set.
func withoutFollowUps(variables []Variable, problems Problems) Problems {
	unusable := map[string]bool{}
	for _, v := range variables {
		unusable[v.Name] = v.FileName() != "" && slices.ContainsFunc(problems, func(p Problem) bool { return p.Variable == v.FileName() })
	}
	return slices.DeleteFunc(problems, func(p Problem) bool { return unusable[p.Variable] })
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

// parseProblems translates the parser's errors into problems of variables.
func parseProblems(err error, variables []Variable, values Environ) Problems {
	if err == nil {
		return nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return Problems{{Variable: "settings", Wrong: err.Error()}}
	}
	var problems Problems
	for _, one := range all.Errors {
		problems = append(problems, parseProblem(one, variables, values))
	}
	return problems
}

func parseProblem(err error, variables []Variable, values Environ) Problem {
	var parse env.ParseError
	var value *valueError
	var unset env.VarIsNotSetError
	switch {
	case errors.As(err, &parse) && errors.As(parse.Err, &value):
		v := find(variables, value.variable)
		problem := Problem{Variable: v.Name, Wrong: "is not " + value.kind, Accepted: v.Accept}
		if !value.hidden {
			problem.Wrong = v.shown(values[v.Name]) + " " + problem.Wrong
		}
		if strings.HasSuffix(v.Name, "_PORT") && isServiceLink(values[v.Name]) {
			problem.Wrong += ": Kubernetes sets it for a Service of that name (enableServiceLinks: false in the pod turns that off), and so do Docker's links"
		}
		return problem
	case errors.As(err, &unset):
		return Problem{Variable: unset.Key, Wrong: "is not set", Accepted: find(variables, unset.Key).Accept}
	default:
		return Problem{Variable: "settings", Wrong: err.Error()}
	}
}

func isServiceLink(value string) bool {
	return strings.HasPrefix(value, "tcp://") || strings.HasPrefix(value, "udp://") || strings.HasPrefix(value, "sctp://")
}

func find(variables []Variable, name string) Variable {
	for _, v := range variables {
		if v.Name == name {
			return v
		}
	}
	return Variable{Name: name}
}
