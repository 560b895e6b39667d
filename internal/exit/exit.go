// Package exit names the exit codes that operators and container runtimes rely
// on (docs/operations.md lists them) and carries them through error values, so that only
// main calls os.Exit. It is not for deciding what an error means: the package
// that knows attaches the code with With.
package exit

import (
	"errors"
	"fmt"
)

// Codes a process of ours ends with, apart from 0 (a requested stop, finished)
// and a child's own code. The numbers from 64 to 78 are those of sysexits.h; 2, 3, 4, 10, 11
// and 130 are of the tale command alone.
const (
	// Failure is for an error nobody classified; seeing it is a defect.
	Failure = 1
	// Declined is a question that the operator answered with no; nothing is changed.
	Declined = 2
	// Degraded is a stack of which something does not work.
	Degraded = 3
	// Down is a stack that does not serve.
	Down = 4
	// Pending is a dry run that found changes to make.
	Pending = 10
	// Stuck is a failure that could not be taken back as a whole.
	Stuck = 11
	// Usage is an unknown command, flag or argument.
	Usage = 64
	// DeployRefused is a deploy that restarting will not help: code, schema, config.
	DeployRefused = 65
	// Unavailable is a dependency that did not come up within its deadline.
	Unavailable = 69
	// UnrequestedEnd is a critical child that ended by itself with status 0.
	UnrequestedEnd = 70
	// Temporary is a deploy that failed for a passing reason after all retries.
	Temporary = 75
	// NoPermission is an admin key or a permission refused.
	NoPermission = 77
	// Config is a bad configuration.
	Config = 78
	// NotExecutable is a child command that exists but cannot be run.
	NotExecutable = 126
	// NotFound is a child command that does not exist.
	NotFound = 127
	// Interrupted is a command that was stopped by its operator and took back what it
	// had begun, or was ended at once by a second signal.
	Interrupted = 130
	// SignalBase is added to a signal's number when a signal ended a child.
	SignalBase = 128
)

// Meaning returns what a code says of a service, "" for one that says nothing of services.
func Meaning(code int) string {
	return map[int]string{
		0:              "a requested stop, finished",
		Usage:          "wrong usage",
		DeployRefused:  "deploy refused for good: code, schema or configuration of the functions",
		Unavailable:    "a dependency did not come up within its deadline",
		UnrequestedEnd: "a critical child ended by itself with status 0",
		Temporary:      "deploy failed for a passing reason after all retries",
		NoPermission:   "admin key or permission refused",
		Config:         "bad configuration, a port that is taken included",
		NotExecutable:  "child not executable",
		NotFound:       "child not found",
	}[code]
}

// Coder is an error that knows the exit code it stands for.
type Coder interface {
	error
	ExitCode() int
}

type coded struct {
	code int
	err  error
}

func (c *coded) Error() string { return c.err.Error() }
func (c *coded) Unwrap() error { return c.err }
func (c *coded) ExitCode() int { return c.code }

// With attaches an exit code to err. It returns nil for a nil error, and an
// outer code wins over an inner one.
func With(code int, err error) error {
	if err == nil {
		return nil
	}
	return &coded{code: code, err: err}
}

// Errorf returns With of a new error that is made as fmt.Errorf does.
func Errorf(code int, format string, args ...any) error {
	return With(code, fmt.Errorf(format, args...))
}

// Code returns the exit code that err stands for: 0 for nil, the outermost
// attached code, or Failure when none is attached.
func Code(err error) int {
	if err == nil {
		return 0
	}
	if c, ok := errors.AsType[Coder](err); ok {
		return c.ExitCode()
	}
	return Failure
}
