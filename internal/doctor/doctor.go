// Package doctor runs checks and shows their verdicts, each with what to do.
// It knows no service; the checks come from the services' own packages.
package doctor

import (
	"context"
	"errors"
	"sync"
	"time"
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

// checkLimit bounds each check; all of them run at the same time.
const checkLimit = 10 * time.Second

// Check is one question.
type Check struct {
	Name string
	// Fix is what to do when the answer is bad.
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

// Warning marks an error that is worth knowing and breaks nothing by itself.
func Warning(err error) error { return verdictError{Warn, err} }

// Skipped marks a check that could not be made here.
func Skipped(why string) error { return verdictError{Skip, errors.New(why)} }

// Examine runs all checks at the same time and returns the findings in the
// order of the checks; healthy is false when one failed.
func Examine(ctx context.Context, checks []Check) (findings []Finding, healthy bool) {
	findings = make([]Finding, len(checks))
	var running sync.WaitGroup
	for i, check := range checks {
		running.Go(func() { findings[i] = check.examine(ctx) })
	}
	running.Wait()
	healthy = true
	for _, f := range findings {
		healthy = healthy && f.Verdict != Fail
	}
	return findings, healthy
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
	var marked verdictError
	if errors.As(err, &marked) {
		finding.Verdict = marked.verdict
	}
	if finding.Verdict == Skip {
		finding.Fix = ""
	}
	return finding
}
