package report

import (
	"errors"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// Explained is what an error offers to be explained wherever the reader of a
// failed boot may look: its cause and what to do about it.
type Explained interface {
	error
	// Report returns the failure. Without a stage of its own it is that of the
	// stage which returned the error.
	Report() Failure
}

// Explain returns the failure of a stage that ended with err: what the error
// itself reports, if it or one that it wraps is Explained.
func Explain(stage string, err error) Failure {
	if own, ok := errors.AsType[Explained](err); ok {
		failure := own.Report()
		if failure.Stage == "" {
			failure.Stage = stage
		}
		return failure
	}
	failure := Failure{Stage: stage, Message: err.Error(), ExitCode: exit.Code(err)}
	if _, ok := errors.AsType[config.Problems](err); ok {
		failure.Cause = "the environment of this container is not usable as it is"
		failure.Fix = []string{"correct the variables in .env or the compose file, then: docker compose up -d"}
	}
	failure.Retryable = mayPass(failure.ExitCode)
	return failure
}

// mayPass reports whether another start with the same input may succeed.
func mayPass(code int) bool {
	switch code {
	case exit.Usage, exit.DeployRefused, exit.NoPermission, exit.Config, exit.NotExecutable, exit.NotFound:
		return false
	}
	return true
}
