package report

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// New returns a failure with what every reader of one needs: what was said, why,
// and what to do. A boot adds the stage and what it had changed; what else is known
// may be set. No other package makes a Failure by itself. Package place words what to do.
func New(code int, said, cause, fix string, more ...string) Failure {
	return Failure{ExitCode: code, Message: said, Cause: cause, Fix: append([]string{fix}, more...), Retryable: mayPass(code)}
}

// Error is a failure that is explained where it is found.
type Error struct {
	failure Failure
	err     error
}

// Err returns the failure as an error, which wraps err unless that is nil.
func (f Failure) Err(err error) error { return &Error{f, err} }

// Because returns err, with its exit code, as an Error; nil for nil.
func Because(err error, cause, fix string, more ...string) error {
	if err == nil {
		return nil
	}
	return New(exit.Code(err), err.Error(), cause, fix, more...).Err(err)
}

func (e *Error) Error() string { return e.failure.Message + "; " + strings.Join(e.failure.Fix, "; ") }
func (e *Error) Unwrap() error { return e.err }

// ExitCode returns the exit code the error stands for.
func (e *Error) ExitCode() int { return e.failure.ExitCode }

// Report returns the failure.
func (e *Error) Report() Failure { return e.failure }

// Explained is what an error offers to be explained wherever the reader of a
// failed boot may look: its cause and what to do about it.
type Explained interface {
	error
	// Report returns the failure. Without a stage of its own it is that of the
	// stage which returned the error.
	Report() Failure
}

// Explain returns the failure of a stage that ended with err: what the error
// itself reports, if it or one that it wraps is Explained. Whatever it is, it has a
// cause and a fix.
func Explain(stage string, err error) Failure {
	var failure Failure
	if isJoined(err) {
		failure = together(stage, err)
	} else if own, ok := errors.AsType[Explained](err); ok {
		failure = own.Report()
	} else if problems, ok := errors.AsType[config.Problems](err); ok {
		fixes := fixesOf(problems)
		failure = New(exit.Config, err.Error(), wrongSettings(problems), fixes[0], fixes[1:]...)
	} else {
		failure = unexplained(err)
	}
	if failure.Stage == "" {
		failure.Stage = stage
	}
	return failure
}

// fixesOf returns what to do about problems, each once.
func fixesOf(problems config.Problems) []string {
	var fixes []string
	for _, p := range problems {
		fix := cmp.Or(p.Fix, "correct the variables in "+place.Here().Files()+", then: "+place.Here().Start())
		if !slices.Contains(fixes, fix) {
			fixes = append(fixes, fix)
		}
	}
	return fixes
}

func wrongSettings(problems config.Problems) string {
	if len(problems) == 1 && problems[0].Fix != "" {
		return "what " + problems[0].Variable + " names is not usable as it is"
	}
	if len(problems) == 1 {
		return "the environment of this container sets " + problems[0].Variable + " to what is not accepted, or not at all"
	}
	return fmt.Sprintf("%d settings in the environment of this container are not usable as they are", len(problems))
}

// unexplained returns what the exit code alone says of an error.
func unexplained(err error) Failure {
	at := place.Here()
	code, said := exit.Code(err), err.Error()
	switch code {
	case exit.Unavailable:
		return New(code, said, "something that this container needs is missing, or has not come up in time", at.State()+" (what else is down?), and the log of what is named above")
	case exit.NoPermission:
		return New(code, said, fmt.Sprintf("this process runs as %s and may not do that", whoami()), "give that user the right to what is named above, then: "+at.Start())
	case exit.Config:
		return New(code, said, "a setting, or what a setting names, is not usable as it is", "correct what is named above in "+at.Files()+", then: "+at.Start())
	}
	return New(code, said, "not known: this error has no explanation of its own, which is a defect of the entrypoint", "report it with the whole log: "+at.Logs())
}

// isJoined reports whether err is several, of which none speaks for the others.
func isJoined(err error) bool {
	_, several := err.(interface{ Unwrap() []error }) //nolint:errorlint // what it wraps does not matter
	_, own := err.(Explained)                         //nolint:errorlint // likewise
	return several && !own
}

// together returns one failure of several errors.
func together(stage string, err error) Failure {
	var said, causes, fixes []string
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() { //nolint:errorlint // isJoined has looked
		failure := Explain(stage, one)
		said, fixes = append(said, failure.Message), append(fixes, failure.Fix...)
		if failure.Cause != "" && !slices.Contains(causes, failure.Cause) {
			causes = append(causes, failure.Cause)
		}
	}
	return New(exit.Code(err), strings.Join(said, "\n"), strings.Join(causes, "\n"), fixes[0], fixes[1:]...)
}

// mayPass reports whether another start with the same input may succeed.
func mayPass(code int) bool {
	switch code {
	case exit.Usage, exit.DeployRefused, exit.NoPermission, exit.Config, exit.NotExecutable, exit.NotFound:
		return false
	}
	return true
}

func whoami() string { return fmt.Sprintf("uid %d gid %d", os.Geteuid(), os.Getegid()) }
