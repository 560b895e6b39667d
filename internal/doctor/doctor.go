// Package doctor runs checks and shows their verdicts, each with what to do.
// It knows no service; the checks come from the services' own packages.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
)

// Verdict is what a check found.
type Verdict string

// The verdicts. Only Fail makes the whole examination fail.
const (
	OK   Verdict = "ok"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
	Skip Verdict = "skip"
)

const (
	// totalLimit bounds the examination, whatever hangs.
	totalLimit = 14 * time.Second
	// checkLimit bounds each check. Checks run at the same time, but for those
	// that need another one first.
	checkLimit = 6 * time.Second
)

// Check is one question.
type Check struct {
	Name string
	// Needs are the names of checks that come before it in the list. When one
	// of them fails, this one could only repeat it, and is skipped.
	Needs []string
	// Fix is what to do when the answer is bad, unless the error knows better
	// (WithFix).
	Fix string
	// Run returns what it saw. An error is a Fail, unless it is made by Warning
	// or Skipped.
	Run func(context.Context) (detail string, err error)
}

// Finding is a check's answer.
type Finding struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Detail  string  `json:"detail"`
	Fix     string  `json:"fix,omitempty"`
}

type verdictError struct {
	verdict Verdict
	error
}

func (e verdictError) Unwrap() error { return e.error }

type fixError struct {
	fix string
	error
}

func (e fixError) Unwrap() error { return e.error }

// Warning marks an error that is worth knowing and breaks nothing by itself.
func Warning(err error) error { return verdictError{Warn, err} }

// Skipped marks a check that could not be made here.
func Skipped(why string) error { return verdictError{Skip, errors.New(why)} }

// WithFix says what to do about this error in particular.
func WithFix(err error, fix string) error { return fixError{fix, err} }

// Explained returns an error with the fixes that a failed boot would name.
func Explained(err error) error {
	if err == nil {
		return nil
	}
	failure := report.Explain("", err)
	return WithFix(errors.New(failure.Message), strings.Join(failure.Fix, "; "))
}

// answer is a finding that others may wait for.
type answer struct {
	Finding
	cause string        // the failed check because of which this one failed or was skipped
	done  chan struct{} // closed when the finding is there
}

// Examine runs all checks and returns the findings in the order of the checks;
// healthy is false when one failed. It takes 14 seconds at most.
func Examine(ctx context.Context, checks []Check) (findings []Finding, healthy bool) {
	ctx, cancel := context.WithTimeout(ctx, totalLimit)
	defer cancel()
	answers := make([]*answer, 0, len(checks))
	byName := map[string]*answer{}
	for _, check := range checks {
		needed := check.needed(byName)
		a := &answer{done: make(chan struct{})}
		answers, byName[check.Name] = append(answers, a), a
		go func() {
			defer close(a.done)
			a.find(ctx, check, needed)
		}()
	}
	healthy = true
	for _, a := range answers {
		<-a.done
		findings = append(findings, a.Finding)
		healthy = healthy && a.Verdict != Fail
	}
	return findings, healthy
}

// needed returns the answers that the check waits for. What comes later in the list
// cannot be needed, so that nobody waits in a circle.
func (c Check) needed(before map[string]*answer) (needed []*answer) {
	for _, name := range c.Needs {
		a, known := before[name]
		if !known {
			panic(fmt.Sprintf("the check %q needs %q, which does not come before it", c.Name, name))
		}
		needed = append(needed, a)
	}
	return needed
}

// find makes the check, unless one that it needs has failed.
func (a *answer) find(ctx context.Context, check Check, needed []*answer) {
	for _, n := range needed {
		if <-n.done; n.cause != "" {
			a.cause = n.cause
			a.Finding = Finding{Name: check.Name, Verdict: Skip, Detail: "not looked at because of: " + n.cause}
			return
		}
	}
	if a.Finding = check.examine(ctx); a.Verdict == Fail {
		a.cause = check.Name
	}
}

func (c Check) examine(ctx context.Context) Finding {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	detail, err := c.Run(ctx)
	finding := Finding{Name: c.Name, Verdict: OK, Detail: detail}
	if err == nil {
		return finding
	}
	finding.Verdict, finding.Detail, finding.Fix = Fail, err.Error(), c.Fix
	if marked, ok := errors.AsType[verdictError](err); ok {
		finding.Verdict = marked.verdict
	}
	if better, ok := errors.AsType[fixError](err); ok {
		finding.Fix = better.fix
	}
	if finding.Verdict == Skip {
		finding.Fix = ""
	}
	return finding
}
