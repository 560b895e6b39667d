package convex

import (
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// crashError is the end of a backend with the explanation of its last crash.
type crashError struct {
	error
	crash *crash.Crash
}

func (e *crashError) Unwrap() error { return e.error }

// Report explains the error in a boot's report.
func (e *crashError) Report() report.Failure {
	failure := report.New(exit.Code(e.error), e.Error(), e.crash.Cause, e.crash.Fix)
	failure.Stage, failure.Retryable = stageBackend, true
	return failure
}
