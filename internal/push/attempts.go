package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/trace"
)

// attempts pushes until a push succeeds, a failure is permanent, or the number of
// attempts is used up. Each failure is classified anew, and its kind decides
// how long to wait.
func (d *deployment) attempts(ctx context.Context, by driver) error {
	paces := &paces{}
	operation := func() error {
		d.attempt++
		err := d.once(ctx, by)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			d.stopped(err)
			return backoff.Permanent(context.Cause(ctx))
		}
		failure := d.failure(err, d.attempt)
		failure.Driver, failure.Evidence = by.Name(), by.Evidence()
		d.countRace(failure)
		by.Failed(failure.Observation, failure.Diagnosis.Retry)
		d.doubt(failure.Observation, by)
		paces.next = failure.Diagnosis.Pace
		if failure.Diagnosis.Retry == diagnosis.RetryNo || d.attempt >= d.options.Attempts {
			return backoff.Permanent(failure)
		}
		return failure
	}
	return backoff.RetryNotifyWithTimer(d.afterResync(ctx, operation), backoff.WithContext(paces, ctx), d.announce, d.options.timer)
}

// doubt has the retry of a push that the backend failed to start send every module: it
// may have lost the package that has those it was given the hashes of, and tells
// its log only. When that fails in the same way the reason was another.
func (d *deployment) doubt(o diagnosis.Observation, by driver) {
	starting := o.Stage == backend.StageEvaluatePush || o.Stage == backend.StageStartPush
	if d.options.Force || !starting || o.Status < http.StatusInternalServerError {
		return
	}
	by.SendAll(!d.doubted)
	d.doubted = true
}

// once does one attempt within its limits.
func (d *deployment) once(ctx context.Context, by driver) error {
	ctx, limit := newLimit(ctx, d.options.Timeout, d.options.Longest, d.trace.TimedOut)
	defer limit.stop()
	d.trace.Attempt(limit.extend)
	watched, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		trace.WatchBackfill(watched, d.log, d.client, d.trace, min(trace.BackfillPoll, d.options.Timeout/3))
	})
	watch.Go(func() {
		trace.Remind(watched, d.log, d.trace, cmp.Or(d.options.remind, remindEvery), d.options.Timeout)
	})
	err := by.Push(ctx)
	stop()
	watch.Wait()
	var expired *limitError
	if err != nil && errors.As(context.Cause(ctx), &expired) {
		return d.ranOut(expired).Err()
	}
	return err
}

// ranOut returns what was seen when a limit ended the attempt. The limit is that of the
// attempt, of which the stage under way may have had a small part.
func (d *deployment) ranOut(expired *limitError) diagnosis.Observation {
	seen, _ := d.trace.Observed()
	o := diagnosis.Observation{Stage: seen.Stage, Condition: expired.condition, Limit: expired.limit, Progress: seen.Progress, First: seen.First}
	for _, stage := range d.trace.Snapshot().Stages {
		if stage.Name == string(seen.Stage) && stage.Started != nil && expired.condition == diagnosis.ConditionStageTimeout {
			o.Reason = fmt.Sprintf("(nothing; the stage had run for %s of the attempt's %s)", time.Since(*stage.Started).Round(100*time.Millisecond), expired.limit)
		}
	}
	return o
}

// failure explains an error of an attempt.
func (d *deployment) failure(err error, attempt int) *diagnosis.Failure {
	seen, _ := d.trace.Observed()
	o := diagnosis.Observe(seen.Stage, err)
	o.Progress, o.First = seen.Progress, seen.First
	o.Message, o.Reason = d.redact.Redact(o.Message), d.redact.Redact(o.Reason)
	return &diagnosis.Failure{
		Observation: o, Diagnosis: diagnosis.Diagnose(o), Driver: d.options.Driver,
		Attempt: attempt, Attempts: max(1, d.options.Attempts),
		Elapsed: time.Since(d.began), Changed: d.trace.Changed(d.options.Variables),
	}
}

// stopped logs what a stopped push has changed.
func (d *deployment) stopped(err error) {
	failure := d.failure(err, d.attempt)
	d.log.Warn("the push was stopped", "stage", string(d.trace.Stage()),
		"changed", strings.Join(failure.Report().Changed, "; "), "elapsed", failure.Elapsed.Round(time.Millisecond))
}

// announce logs why and when the push is tried again.
func (d *deployment) announce(err error, wait time.Duration) {
	var failure *diagnosis.Failure
	if !errors.As(err, &failure) {
		return
	}
	failure.Next = wait
	d.log.Warn("the push failed and is tried again",
		"stage", string(failure.Observation.Stage), "reason", failure.Observation.Summary(),
		"cause", failure.Diagnosis.Cause, "wait", wait.Round(time.Millisecond),
		"attempt", failure.Attempt, "of", failure.Attempts)
	if d.options.OnRetry != nil {
		d.options.OnRetry(failure)
	}
}

// remindEvery is how often a push says which answer it waits for.
const remindEvery = 30 * time.Second

// raced are the codes for a write of another client to the deployment.
var raced = []string{"RaceDetected", "SchemaAlreadyOverwritten", "ConcurrentPush"}

// afterResync compares the variables again before a push that was raced is
// repeated: what changed may have been a variable of ours.
func (d *deployment) afterResync(ctx context.Context, operation func() error) func() error {
	var last error
	return func() error {
		if failure, ok := errors.AsType[*diagnosis.Failure](last); ok && isRace(failure.Observation) && d.options.Resync != nil {
			differed, err := d.options.Resync(ctx)
			if err != nil {
				return backoff.Permanent(err)
			}
			d.raced = append(d.raced, differed...)
		}
		last = operation()
		return last
	}
}

// countRace says how often this push has been raced, and what is known of by what.
func (d *deployment) countRace(failure *diagnosis.Failure) {
	if !isRace(failure.Observation) {
		return
	}
	d.races++
	if d.races < 2 {
		return
	}
	found := &failure.Diagnosis
	found.Cause += fmt.Sprintf(" It is race %d of this push: something keeps writing to the deployment.", d.races)
	if len(d.raced) > 0 {
		slices.Sort(d.raced)
		found.Cause += " Between the attempts these variables had been changed: " + strings.Join(slices.Compact(d.raced), ", ") + "."
	}
	found.Fix = append(found.Fix, "look for a second writer: another platform container, a script that sets variables (npx convex env set), an open dashboard")
}

func isRace(o diagnosis.Observation) bool {
	return o.Condition == diagnosis.ConditionSchemaRace || slices.Contains(raced, o.Code)
}

// paces is the back-off: each pace grows by itself, and the last failure decides
// which one it is.
type paces struct {
	next  diagnosis.Pace
	known map[diagnosis.Pace]*backoff.ExponentialBackOff
}

// Reset forgets all waits.
func (p *paces) Reset() { p.known = nil }

// NextBackOff returns the wait, with jitter, after the failure that set next.
func (p *paces) NextBackOff() time.Duration {
	pace, known := p.known[p.next]
	if !known {
		first, longest := p.next.Bounds()
		pace = backoff.NewExponentialBackOff(backoff.WithInitialInterval(first), backoff.WithMaxInterval(longest),
			backoff.WithMultiplier(2), backoff.WithRandomizationFactor(0.3), backoff.WithMaxElapsedTime(0))
		if p.known == nil {
			p.known = map[diagnosis.Pace]*backoff.ExponentialBackOff{}
		}
		p.known[p.next] = pace
	}
	return pace.NextBackOff()
}
