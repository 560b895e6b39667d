package config

import (
	"fmt"
	"reflect"
	"time"
)

// Tiers of settings, beside those that concern one subject.
const (
	TierOperator = "operator" // what everybody sets, or looks at once
	TierAdvanced = "advanced" // constants of the containers' network, and for debugging
)

// Variable describes one setting; its texts come from struct tags.
type Variable struct {
	Name    string // of the environment variable
	Default string
	Doc     string // what it is for
	Accept  string // the accepted values, as a noun phrase
	Tier    string // whom it concerns: TierOperator, TierAdvanced or, as most, those of its subject ("")
	Secret  bool
	// Required tells that there is no default and that empty is refused.
	Required bool

	keepEmpty bool
	noFile    bool
}

// FileName returns the variable that may name a file with the value, or "" where
// there is none.
func (v Variable) FileName() string {
	if !v.Secret || v.noFile {
		return ""
	}
	return v.Name + "_FILE"
}

func (v Variable) shown(value string) string {
	if v.Secret {
		return "(a secret, not shown)"
	}
	return fmt.Sprintf("%q", value)
}

// Describe lists the variables of a settings struct, or of a pointer to one,
// in the order of its fields; embedded structs are walked into.
func Describe(settings any) []Variable {
	return describe(reflect.Indirect(reflect.ValueOf(settings)).Type())
}

func describe(t reflect.Type) []Variable {
	var variables []Variable
	for field := range fields(t) {
		name, required := parseEnvTag(field.Tag.Get("env"))
		switch {
		case name != "":
			variables = append(variables, newVariable(field, name, required))
		case field.Type.Kind() == reflect.Struct && field.Type != reflect.TypeFor[time.Time]():
			variables = append(variables, describe(field.Type)...)
		}
	}
	return variables
}

func newVariable(field reflect.StructField, name string, required bool) Variable {
	accept := field.Tag.Get("accept")
	if accept == "" {
		accept = defaultAccept(field.Type)
	}
	return Variable{
		Name:      name,
		Default:   field.Tag.Get("envDefault"),
		Doc:       field.Tag.Get("doc"),
		Accept:    accept,
		Tier:      field.Tag.Get("tier"),
		Secret:    field.Tag.Get("secret") == "true",
		Required:  required,
		keepEmpty: field.Tag.Get("empty") == "keep",
		noFile:    field.Tag.Get("file") == "false",
	}
}

func defaultAccept(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return `seconds ("300") or a duration ("5m")`
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	default:
		return ""
	}
}
