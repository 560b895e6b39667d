package convex

import (
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// bootError ends a boot, with a fix for its reader.
type bootError struct {
	code    int
	message string
	cause   string
	fix     []string
}

func (e *bootError) Error() string { return e.message }

// ExitCode returns the code of a boot that ends with this error.
func (e *bootError) ExitCode() int { return e.code }

// Report explains the error in a boot's report.
func (e *bootError) Report() report.Failure {
	return report.Failure{
		Message: e.message, Cause: e.cause, Fix: e.fix,
		ExitCode: e.code, Retryable: e.code == exit.Unavailable,
	}
}

// crashError is the end of a backend with the explanation of its last crash.
type crashError struct {
	error
	crash *crash.Crash
}

func (e *crashError) Unwrap() error { return e.error }

// Report explains the error in a boot's report.
func (e *crashError) Report() report.Failure {
	return report.Failure{
		Stage: stageBackend, Message: e.Error(), Cause: e.crash.Cause, Fix: []string{e.crash.Fix},
		ExitCode: exit.Code(e.error), Retryable: true,
	}
}
