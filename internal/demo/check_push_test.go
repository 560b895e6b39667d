package demo

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/report"
)

func TestUnchanged(t *testing.T) {
	same := report.EnvSync{Declared: 24, Present: 24, Unchanged: 24}
	skipped := report.Deploy{Driver: "native", Skipped: "the backend has everything"}
	tests := map[string]struct {
		env    *report.EnvSync
		deploy *report.Deploy
		ok     bool
	}{
		"nothing changed":      {&same, &skipped, true},
		"hashes all the same":  {&same, &report.Deploy{Driver: "cli", Modules: 9}, true},
		"a variable updated":   {&report.EnvSync{Declared: 24, Present: 24, Unchanged: 23, Updated: 1}, &skipped, false},
		"a variable missing":   {&report.EnvSync{Declared: 24, Present: 23, Unchanged: 23}, &skipped, false},
		"a module sent":        {&same, &report.Deploy{Driver: "cli", Modules: 9, Changed: new(1)}, false},
		"a report of no push":  {nil, nil, false},
		"a report of half one": {&same, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			detail, err := unchanged(report.Document{Env: tt.env, Deploy: tt.deploy})
			if (err == nil) != tt.ok {
				t.Errorf("%q, %v", detail, err)
			}
			if tt.ok && !strings.Contains(detail, "24 variables unchanged") {
				t.Errorf("detail %q", detail)
			}
		})
	}
}
