package convex

import (
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// bootError ends a boot, with what the reader can do about it.
type bootError struct {
	code    int
	message string
	cause   string
	fix     string
}

func (e *bootError) Error() string { return e.message }

// ExitCode is the exit code the error stands for.
func (e *bootError) ExitCode() int { return e.code }

// Report is what a boot says of the error wherever its reader may look.
func (e *bootError) Report() report.Failure {
	return report.Failure{
		Message: e.message, Cause: e.cause, Fix: []string{e.fix},
		ExitCode: e.code, Retryable: e.code == exit.Unavailable,
	}
}

// crashError is the end of a backend whose last crash could be read.
type crashError struct {
	error
	crash *crash.Crash
}

func (e *crashError) Unwrap() error { return e.error }

// Report is what a boot says of the error wherever its reader may look.
func (e *crashError) Report() report.Failure {
	return report.Failure{
		Stage: stageBackend, Message: e.Error(), Cause: e.crash.Cause, Fix: []string{e.crash.Fix},
		ExitCode: exit.Code(e.error), Retryable: true,
	}
}
