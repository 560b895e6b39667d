package push

import (
	"context"
	"errors"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
)

// CheckRunning reports why the deployment runs no functions, as an error that is an
// observation, or what it has seen running. It asks for the deployment's state and
// runs one query of the app, which cannot change anything; of a large app that takes
// megabytes, so what a skipped push has seen (trace.Deploy.Ran) is not looked for again.
func CheckRunning(ctx context.Context, client *backend.Client, seen string) (string, error) {
	state, err := client.DeploymentState(ctx)
	if err != nil {
		return "", diagnosis.Observe(backend.StageRunFunction, err).Err()
	}
	if state != "" && state != backend.StateRunning {
		return "", diagnosis.Observation{Stage: backend.StageRunFunction, Condition: diagnosis.ConditionNotRunning, Message: state}.Err()
	}
	if seen != "" {
		return seen, nil
	}
	canary, err := client.ArgumentlessQuery(ctx)
	if err == nil {
		err = tryCanary(ctx, client, canary)
	}
	if err != nil {
		return "", diagnosis.Observe(backend.StageRunFunction, err).Err()
	}
	return ran(canary), nil
}

// ran says what a canary that has not failed has shown.
func ran(canary string) string {
	if canary == "" {
		return "not tried: the app has no public query without arguments"
	}
	return canary + " runs"
}

// tryCanary runs a query. That it fails by itself, as one does that wants a
// signed-in user, is its own affair: its code was loaded.
func tryCanary(ctx context.Context, client *backend.Client, canary string) error {
	if canary == "" {
		return nil
	}
	_, err := client.Query(ctx, canary)
	if _, ran := errors.AsType[*backend.FunctionError](err); ran {
		return nil
	}
	if err != nil {
		return fmt.Errorf("query %s: %w", canary, err)
	}
	return nil
}
