// Package processlimit judges how many processes and threads the container may have.
// Where they are used up, programs end with a trace of their language's runtime instead
// of a message.
package processlimit

import (
	"fmt"
	"log/slog"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

const (
	// enough is how many a service takes with its children and a health check.
	enough = 100
	// fewest is how many one program of Go and its health check take.
	fewest = 24
)

// TooLowError is a limit with which not even a failure can be told.
type TooLowError struct{ Limit uint64 }

func (e *TooLowError) Error() string {
	return fmt.Sprintf("the container may have %d processes and threads, and %d are the fewest with which a service starts", e.Limit, fewest)
}

// ExitCode returns the exit code the error stands for.
func (e *TooLowError) ExitCode() int { return exit.Config }

// Report returns what a start says of the error.
func (e *TooLowError) Report() report.Failure {
	return report.New(e.ExitCode(), e.Error(), "the container was given that limit; each thread of each program counts, those of health checks too", fix())
}

func fix() string {
	return fmt.Sprintf("raise %s, to %d or more", place.Here().ProcessLimit(), enough)
}

// Check refuses a limit with which nothing can run, and warns of a low one.
func Check(log *slog.Logger) error { return judge(log, cgroup.Processes) }

func judge(log *slog.Logger, read func() (uint64, bool)) error {
	limit, known := read()
	switch {
	case known && limit < fewest:
		return &TooLowError{limit}
	case known && limit < enough:
		log.Warn("the limit of processes and threads is low: whatever starts when it is used up fails, health checks too", "limit", limit, "least", enough, "fix", fix())
	}
	return nil
}
