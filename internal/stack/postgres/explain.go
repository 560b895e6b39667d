package postgres

import "errors"

// Explanation is why a login, or a question behind it, failed.
type Explanation struct {
	Code         int    // exit code of what ends with it
	Problem, Fix string // without a password
}

// Explain returns what an error of pglogin or of the server means. It is for every program that
// logs in: the server's words do not depend on who asks.
func (l Login) Explain(err error) Explanation {
	failed, is := errors.AsType[*loginError](err)
	if !is {
		failed = l.classify(err)
	}
	return Explanation{failed.ExitCode(), failed.Problem, failed.Fix}
}
