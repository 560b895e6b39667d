package config

import (
	"iter"
	"reflect"
	"strings"
)

func fields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// parseEnvTag reads `env:"NAME,required"`.
func parseEnvTag(tag string) (name string, required bool) {
	name, options, _ := strings.Cut(tag, ",")
	for option := range strings.SplitSeq(options, ",") {
		required = required || option == "required" || option == "notEmpty"
	}
	return name, required
}
