package health

import (
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// GaveUpError is a wait whose deadline passed.
type GaveUpError struct {
	Wait     Wait
	Elapsed  time.Duration
	Attempts int
	Last     error // of the last probe that the deadline did not cut short
}

func (e *GaveUpError) Error() string {
	return fmt.Sprintf("%s, the last said: %s; %s", e.What(), netcause.Reason(e.Last), e.Longer())
}

// ExitCode returns the exit code the error stands for.
func (e *GaveUpError) ExitCode() int { return exit.Unavailable }

// What says what could not be reached, and how long and how often it was tried.
func (e *GaveUpError) What() string {
	return fmt.Sprintf("cannot reach %s: gave up after %s and %d attempts", e.Wait.What, e.Elapsed.Round(100*time.Millisecond), e.Attempts)
}

// Longer says how to wait longer.
func (e *GaveUpError) Longer() string {
	return fmt.Sprintf("raise %s (now %s) if it only needs longer", e.Wait.Variable, e.Wait.Timeout)
}
