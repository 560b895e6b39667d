package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/netcause"
)

// envSyncLimit is how long a sync keeps trying against a backend that is busy or
// restarting.
const envSyncLimit = time.Minute

// EnvSync brings the variables of a deployment to a goal: it lists them, writes
// what differs in one transaction, and reads them back. The backend voids every
// cached query at each write, so nothing is written when nothing differs.
type EnvSync struct {
	Client *Client
	Log    *slog.Logger
	Redact *Redactor     // for the backend's words; may be nil
	Memory *EnvMemory    // may be nil
	Limit  time.Duration // for all attempts; 0 means a minute
}

// EnvResult is what a sync found and did. It has no values.
type EnvResult struct {
	Plan     EnvPlan // against what the deployment held at first
	Wanted   int     // variables of ours that have a value
	Present  int     // of them, those that the deployment now holds as wanted
	State    VariableState
	Attempts int
	Warnings []string
}

// Run syncs. The error is a *Failure, one with exit code 78 for a value that
// cannot be sent, or the context's own. The result's state holds in every case.
func (s EnvSync) Run(ctx context.Context, goal EnvGoal) (EnvResult, error) {
	run := &envRun{EnvSync: s, goal: goal, started: time.Now()}
	run.warn()
	if err := checkSendable(goal); err != nil {
		return run.result, exit.With(exit.Config, err)
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

// envRun is one sync under way.
type envRun struct {
	EnvSync
	goal    EnvGoal
	started time.Time
	result  EnvResult
}

// attempt lists, plans, writes and confirms. When the answer to a write got lost,
// the next attempt finds out what became of it.
func (r *envRun) attempt(ctx context.Context) error {
	current, err := r.Client.ListEnv(ctx)
	if err != nil {
		return r.fail(StageListEnv, err, nil)
	}
	r.result.Wanted, r.result.Present = r.goal.presence(current)
	plan := PlanEnv(r.goal, current, r.Memory)
	if r.result.Plan.Changes == nil {
		r.result.Plan = plan
		r.logPlan(ctx)
	}
	if len(plan.Updates()) > 0 {
		if err := r.Client.UpdateEnv(ctx, plan.Updates()); err != nil {
			return r.fail(StageUpdateEnv, err, plan.Updates())
		}
		r.result.State = VariablesSynced
		if current, err = r.Client.ListEnv(ctx); err != nil {
			return r.fail(StageListEnv, err, nil)
		}
	}
	return r.confirm(current)
}

// confirm checks what was read back. A difference means that somebody else writes
// the same variables; writing again would only start a fight.
func (r *envRun) confirm(current map[string]string) error {
	r.result.Wanted, r.result.Present = r.goal.presence(current)
	if names := r.goal.differences(current); len(names) > 0 {
		r.result.State = VariablesUnknown
		o := Observation{Stage: StageListEnv, Condition: ConditionNotConfirmed, Message: describeDifferences(names, r.goal.Values, current)}
		return backoff.Permanent(r.failure(o))
	}
	r.result.State = VariablesUnchanged
	if len(r.result.Plan.Updates()) > 0 {
		r.result.State = VariablesSynced
	}
	return nil
}

func (r *envRun) fail(stage Stage, err error, updates []EnvUpdate) error {
	o := Observe(stage, err)
	if stage == StageUpdateEnv && mayHaveArrived(o) {
		r.result.State = VariablesUnknown
	}
	failure := r.failure(o)
	if stage == StageUpdateEnv && o.Status/100 == 4 {
		failure.Diagnosis.Cause = explainRefusal(failure.Diagnosis.Cause, o, updates)
	}
	if failure.Diagnosis.Retry == RetryNo {
		return backoff.Permanent(failure)
	}
	return failure
}

// mayHaveArrived tells a write whose answer is missing from one that was never
// sent or was refused.
func mayHaveArrived(o Observation) bool {
	switch o.Transport {
	case netcause.None, netcause.DNS, netcause.Refused, netcause.Unreachable:
		return false
	}
	return true
}

func (r *envRun) failure(o Observation) *Failure {
	o.Message = r.Redact.Redact(o.Message)
	return &Failure{
		Observation: o,
		Diagnosis:   Diagnose(o),
		Attempt:     r.result.Attempts + 1,
		Elapsed:     time.Since(r.started),
		Changed:     Changed{Variables: r.result.State},
	}
}

func (r *envRun) schedule(ctx context.Context) backoff.BackOff {
	first, longest := PaceBrief.Bounds()
	limit := r.Limit
	if limit == 0 {
		limit = envSyncLimit
	}
	return backoff.WithContext(backoff.NewExponentialBackOff(backoff.WithInitialInterval(first),
		backoff.WithMaxInterval(longest), backoff.WithMaxElapsedTime(limit)), ctx)
}

func (r *envRun) notify(err error, next time.Duration) {
	r.result.Attempts++
	var failure *Failure
	if !errors.As(err, &failure) {
		return
	}
	failure.Next = next
	r.Log.Warn("cannot sync the environment variables yet", slog.String("stage", string(failure.Observation.Stage)),
		slog.String("error", failure.Observation.Summary()), slog.String("cause", failure.Diagnosis.Cause),
		slog.Duration("next", next.Round(10*time.Millisecond)))
}
