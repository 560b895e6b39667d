package envsync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// defaultLimit is how long a sync keeps trying against a backend that is busy or
// restarting.
const defaultLimit = time.Minute

// Sync brings the variables of a deployment to a goal: it lists them, writes
// what differs in one transaction, and reads them back. The backend voids every
// cached query at each write, so nothing is written when nothing differs.
type Sync struct {
	Client *backend.Client
	Log    *slog.Logger
	Redact *redact.Redactor // for the backend's words; may be nil
	Memory *Memory          // may be nil
	Limit  time.Duration    // for all attempts; 0 means a minute
	// Pushed says that the release is deployed that the goal is of: no refused change
	// waits for it any more.
	Pushed bool
}

// Result is what a sync found and did. It has no values.
type Result struct {
	Plan     Plan // against what the deployment held at first
	Wanted   int  // variables of ours that have a value
	Present  int  // of them, those that the deployment now holds as wanted
	State    diagnosis.VariableState
	Attempts int
	Warnings []string
	Waiting  Waiting // changes that can only follow the push
}

// Run syncs. The error is a *Failure, one with exit code 78 for a value that
// cannot be sent, or the context's own. The result's state holds in every case.
func (s Sync) Run(ctx context.Context, goal Goal) (Result, error) {
	run := &syncRun{Sync: s, goal: goal, started: time.Now()}
	run.warn()
	if err := checkSendable(goal); err != nil {
		return run.result, report.New(exit.Config, err.Error(), "a variable has a value that no request can carry as it is",
			"correct it in "+place.Here().Settings()+", then: "+place.Here().Start("platform")).Err(err)
	}
	err := backoff.RetryNotify(func() error { return run.attempt(ctx) }, run.schedule(ctx), run.notify)
	if err == nil {
		run.remember()
		return run.result, nil
	}
	if ctx.Err() != nil {
		return run.result, fmt.Errorf("cannot sync the environment variables: %w", ctx.Err())
	}
	return run.result, err
}

// syncRun is one sync under way.
type syncRun struct {
	Sync
	goal    Goal
	started time.Time
	result  Result
}

// attempt lists, plans, writes and confirms. When the answer to a write got lost,
// the next attempt finds out what became of it.
func (r *syncRun) attempt(ctx context.Context) error {
	current, err := r.Client.ListEnv(ctx)
	if err != nil {
		return r.fail(backend.StageListEnv, err, nil)
	}
	r.result.Wanted, r.result.Present = r.goal.presence(current)
	plan := NewPlan(r.goal, current, r.Memory)
	if r.result.Plan.Changes == nil {
		r.result.Plan = plan
		r.logPlan(ctx)
	}
	if updates := r.result.Waiting.without(plan.Updates()); len(updates) > 0 {
		if err := r.Client.UpdateEnv(ctx, updates); err != nil {
			if r.postpone(err, updates) {
				return r.attempt(ctx)
			}
			return r.fail(backend.StageUpdateEnv, err, updates)
		}
		r.result.State = diagnosis.VariablesSynced
		if current, err = r.Client.ListEnv(ctx); err != nil {
			return r.fail(backend.StageListEnv, err, nil)
		}
	}
	return r.confirm(current)
}

// confirm checks what was read back. A difference means that another client writes
// the same variables; writing again would only start a fight.
func (r *syncRun) confirm(current map[string]string) error {
	r.result.Wanted, r.result.Present = r.goal.presence(current)
	if names := r.result.Waiting.others(r.goal.differences(current)); len(names) > 0 {
		r.result.State = diagnosis.VariablesUnknown
		o := diagnosis.Observation{Stage: backend.StageListEnv, Condition: diagnosis.ConditionNotConfirmed, Message: describeDifferences(names, r.goal.Values, current)}
		return backoff.Permanent(r.failure(o))
	}
	if r.result.State = diagnosis.VariablesUnchanged; len(r.result.Waiting.without(r.result.Plan.Updates())) > 0 {
		r.result.State = diagnosis.VariablesSynced
	}
	return nil
}

func (r *syncRun) fail(stage backend.Stage, err error, updates []backend.EnvUpdate) error {
	o := diagnosis.Observe(stage, err)
	if stage == backend.StageUpdateEnv && mayHaveArrived(o) {
		r.result.State = diagnosis.VariablesUnknown
	}
	failure := r.failure(o)
	if stage == backend.StageUpdateEnv && o.Status/100 == 4 {
		failure.Diagnosis.Cause = explainRefusal(failure.Diagnosis.Cause, o, updates)
	}
	if failure.Diagnosis.Retry == diagnosis.RetryNo {
		return backoff.Permanent(failure)
	}
	return failure
}

// mayHaveArrived reports whether a write has no answer, rather than never being
// sent or being refused.
func mayHaveArrived(o diagnosis.Observation) bool {
	switch o.Transport {
	case netcause.None, netcause.DNS, netcause.Refused, netcause.Unreachable:
		return false
	}
	return true
}

func (r *syncRun) failure(o diagnosis.Observation) *diagnosis.Failure {
	o.Message = r.Redact.Redact(o.Message)
	return &diagnosis.Failure{
		Observation: o,
		Diagnosis:   diagnosis.Diagnose(o),
		Attempt:     r.result.Attempts + 1,
		Elapsed:     time.Since(r.started),
		Changed:     diagnosis.Changed{Variables: r.result.State},
	}
}

func (r *syncRun) schedule(ctx context.Context) backoff.BackOff {
	first, longest := diagnosis.PaceBrief.Bounds()
	limit := r.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	return backoff.WithContext(backoff.NewExponentialBackOff(backoff.WithInitialInterval(first),
		backoff.WithMaxInterval(longest), backoff.WithMaxElapsedTime(limit)), ctx)
}

func (r *syncRun) notify(err error, next time.Duration) {
	r.result.Attempts++
	var failure *diagnosis.Failure
	if !errors.As(err, &failure) {
		return
	}
	failure.Next = next
	r.Log.Warn("cannot sync the environment variables yet", "stage", string(failure.Observation.Stage),
		"error", failure.Observation.Summary(), "cause", failure.Diagnosis.Cause,
		"next", next.Round(10*time.Millisecond))
}
