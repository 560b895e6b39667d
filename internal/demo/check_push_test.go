package demo

import (
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
)

func TestUnchanged(t *testing.T) {
	same := envsync.Summary{Declared: 24, Present: 24, Unchanged: 24}
	skipped := trace.Deploy{Driver: "native", Skipped: "the backend has everything"}
	tests := map[string]struct {
		env    *envsync.Summary
		deploy *trace.Deploy
		ok     bool
	}{
		"nothing changed":      {&same, &skipped, true},
		"hashes all the same":  {&same, &trace.Deploy{Driver: "cli", Modules: 9}, true},
		"a variable updated":   {&envsync.Summary{Declared: 24, Present: 24, Unchanged: 23, Updated: 1}, &skipped, false},
		"a variable missing":   {&envsync.Summary{Declared: 24, Present: 23, Unchanged: 23}, &skipped, false},
		"a module sent":        {&same, &trace.Deploy{Driver: "cli", Modules: 9, Changed: new(1)}, false},
		"a report of no push":  {nil, nil, false},
		"a report of half one": {&same, nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var document report.Document
			if tt.env != nil {
				document.Set(envsync.Section, *tt.env)
			}
			if tt.deploy != nil {
				document.Set(trace.Section, *tt.deploy)
			}
			detail, err := unchanged(document)
			if (err == nil) != tt.ok {
				t.Errorf("%q, %v", detail, err)
			}
			if tt.ok && !strings.Contains(detail, "24 variables unchanged") {
				t.Errorf("detail %q", detail)
			}
		})
	}
}
