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

// enough is how many a service takes with its children and a health check.
const enough = 100

// The fewest, of two processors, with which a health check does not end a service.
const (
	FewestWithChildren = 24
	FewestAlone        = 12
)

// TooLowError is a limit with which not even a failure can be told.
type TooLowError struct{ Limit, Fewest uint64 }

func (e *TooLowError) Error() string {
	return fmt.Sprintf("the container may have %d processes and threads, and %d are the fewest with which the service starts", e.Limit, e.Fewest)
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

// Check refuses a limit with which nothing can run in a container, and warns of a low one.
func Check(log *slog.Logger, fewest uint64) error {
	if place.Here().Self() == "" { // the control group of a machine is somebody else's as well
		fewest = 0
	}
	return judge(log, fewest, cgroup.Processes)
}

func judge(log *slog.Logger, fewest uint64, read func() (uint64, bool)) error {
	limit, known := read()
	switch {
	case known && limit < fewest:
		return &TooLowError{limit, fewest}
	case known && limit < enough:
		log.Warn("the limit of processes and threads is low: whatever starts when it is used up fails, health checks too", "limit", limit, "least", enough, "fix", fix())
	}
	return nil
}
