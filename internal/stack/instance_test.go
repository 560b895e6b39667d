package stack_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

const secret = "0123456789abcdefABCDEF0123456789abcdefABCDEF0123456789abcdefABCD"

// problemsOf loads a group and returns the variables that are refused.
func problemsOf(t *testing.T, group any, environ config.Environ) config.Problems {
	t.Helper()
	var problems config.Problems
	if err := config.Load(group, environ); err != nil && !errors.As(err, &problems) {
		t.Fatal(err)
	}
	return problems
}

// names returns the variables that are refused.
func names(problems config.Problems) string {
	var names []string
	for _, p := range problems {
		names = append(names, p.Variable)
	}
	return strings.Join(names, " ")
}

func TestInstance(t *testing.T) {
	for _, tt := range []struct{ name, secret, refused string }{
		{"", secret, ""},
		{"tale_platform", secret, ""},
		{"happy-animal-123", secret, ""},
		{"a.b", secret, "INSTANCE_NAME"},
		{"a:b", secret, "INSTANCE_NAME"},
		{"a|b", secret, "INSTANCE_NAME"},
		{"a b", secret, "INSTANCE_NAME"},
		{"naïve", secret, "INSTANCE_NAME"},
		{"x", "", "INSTANCE_SECRET"},
		{"x", secret[1:], "INSTANCE_SECRET"},
		{"x", secret + "0", "INSTANCE_SECRET"},
		{"x", secret[:63] + "g", "INSTANCE_SECRET"},
	} {
		var i stack.Instance
		problems := problemsOf(t, &i, config.Environ{"INSTANCE_NAME": tt.name, "INSTANCE_SECRET": tt.secret})
		if names(problems) != tt.refused {
			t.Errorf("%q, %d digits: %v", tt.name, len(tt.secret), problems)
		}
		if len(problems) > 0 && tt.secret != "" && strings.Contains(problems.Error(), tt.secret[:8]) {
			t.Errorf("the secret is shown: %v", problems)
		}
		if _, err := i.AdminKey(); (err == nil) != (tt.refused == "") {
			t.Errorf("%q, %d digits: no problem, but no key: %v", tt.name, len(tt.secret), err)
		}
	}
}

func TestDatabaseName(t *testing.T) {
	if got := (stack.Instance{Name: "happy-animal_1"}).DatabaseName(); got != "happy_animal_1" {
		t.Error(got)
	}
}
