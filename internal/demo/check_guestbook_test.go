package demo

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
)

func TestRanAfterDeploy(t *testing.T) {
	tests := map[string]struct {
		deploy *trace.Deploy
		ok     bool
	}{
		"ran":         {&trace.Deploy{After: &trace.AfterDeploy{Function: "a:b"}}, true},
		"failed":      {&trace.Deploy{After: &trace.AfterDeploy{Function: "a:b", Error: "no"}}, false},
		"did not run": {&trace.Deploy{}, false},
		"not due":     {&trace.Deploy{Skipped: "the deployment has it"}, true},
		"no push":     {nil, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var document report.Document
			if tt.deploy != nil {
				document.Set(trace.Section, *tt.deploy)
			}
			if detail, err := ranAfterDeploy(document); (err == nil) != tt.ok {
				t.Errorf("%q, %v", detail, err)
			}
		})
	}
}
