package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/caarlos0/env/v11"
)

// parsers turn values into types. The library's errors name struct fields,
// which need not be unique; these name the variable that is being read.
type parsers struct{ variable string }

// valueError is a value that is not of the variable's type.
type valueError struct {
	variable string
	kind     string // "a duration"
	hidden   bool   // it may hold a secret
}

func (e *valueError) Error() string { return fmt.Sprintf("%s is not %s", e.variable, e.kind) }

func (p *parsers) reading(variable string, _ any, _ bool) { p.variable = variable }

func (p *parsers) table() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[time.Duration](): p.named("a duration", func(v string) (any, error) { return parseDuration(v) }),
		reflect.TypeFor[int]():           p.named("a whole number", func(v string) (any, error) { return strconv.Atoi(v) }),
		reflect.TypeFor[Command]():       p.named("a command", func(v string) (any, error) { return ParseCommand(v) }),
		reflect.TypeFor[bool]():          p.named("true or false", func(v string) (any, error) { return strconv.ParseBool(v) }),
	}
}

func (p *parsers) named(kind string, parse env.ParserFunc) env.ParserFunc {
	return func(value string) (any, error) {
		parsed, err := parse(value)
		if special, is := errors.AsType[*commandError](err); is {
			return nil, &valueError{variable: p.variable, kind: special.kind, hidden: true}
		}
		if err != nil {
			return nil, &valueError{variable: p.variable, kind: kind}
		}
		return parsed, nil
	}
}

var errNotDuration = errors.New("not a duration")

// parseDuration accepts whole seconds ("300") and Go durations ("5m"). Negative
// ones are refused: no setting of ours waits for less than nothing.
func parseDuration(value string) (time.Duration, error) {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second, nil
	}
	duration, err := time.ParseDuration(value)
	if err != nil || duration < 0 {
		return 0, errNotDuration
	}
	return duration, nil
}
