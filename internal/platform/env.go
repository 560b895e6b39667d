package platform

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// envMemoryFile remembers, as keyed fingerprints, what the last sync left.
const envMemoryFile = "platform-env.json"

// syncEnv brings the deployment's variables to what the settings say.
func (b *Boot) syncEnv(ctx context.Context) (string, error) {
	b.warnOfUnset()
	defer b.warnOfDifferences(ctx)()
	result, err := b.runSync(ctx, b.envSync())
	b.SetAttempts(stageEnv, result.Attempts)
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("%d of %d variables present: %s", result.Present, result.Wanted, result.Plan.Summary())
	if n := len(b.waiting); n > 0 {
		text += fmt.Sprintf("; %d of these changes after the push", n)
	}
	return text, nil
}

// warnOfUnset tells of names in CONVEX_ENV_SYNC_EXTRA that have no value here: a name that
// is misspelt, or lost from the environment, takes the variable from the functions.
func (b *Boot) warnOfUnset() {
	for _, name := range b.settings.Deploy.EnvSyncExtra {
		if b.environ[name] == "" {
			b.log.Warn("CONVEX_ENV_SYNC_EXTRA names a variable that is not set; the deployment is without it",
				"name", name, "fix", "set it in "+place.Here().Settings()+", or take its name out of CONVEX_ENV_SYNC_EXTRA")
		}
	}
}

func (b *Boot) runSync(ctx context.Context, sync envsync.Sync) (envsync.Result, error) {
	result, err := sync.Run(ctx, b.goal())
	b.changed.Variables, b.waiting = result.State, result.Waiting
	summary := result.Report()
	b.Update(func(d *report.Document) { d.Set(envsync.Section, summary) })
	return result, err
}

// syncWaiting makes the changes that had to wait for the push. The next boot finds
// that the code was evaluated with other variables, and pushes again.
func (b *Boot) syncWaiting(ctx context.Context) error {
	if len(b.waiting) == 0 {
		return nil
	}
	sync := b.envSync()
	sync.Pushed = true
	_, err := b.runSync(ctx, sync)
	return err
}

func (b *Boot) envSync() envsync.Sync {
	return envsync.Sync{Client: b.client, Log: b.log, Redact: b.client.Secrets, Memory: b.envMemory()}
}

// goal returns what the deployment's variables shall be.
func (s *session) goal() envsync.Goal {
	return envGoal(s.settings, s.environ)
}

func (s *session) envMemory() *envsync.Memory {
	return envsync.OpenMemory(filepath.Join(s.settings.Boot.RunDir, envMemoryFile), s.settings.Instance.Secret.Reveal())
}

func envGoal(settings *Settings, environ map[string]string) envsync.Goal {
	goal := envsync.Goal{Values: map[string]string{}, Legacy: derivedVariables()}
	for _, v := range Variables() {
		goal.Values[v.Name] = v.Value(settings.Pushed)
		if v.Kind == KindSecret {
			goal.Secrets = append(goal.Secrets, v.Name)
		}
	}
	for _, name := range settings.Deploy.EnvSyncExtra {
		goal.Values[name] = environ[name]
	}
	return goal
}

// envCommand prints what a sync would do.
func envCommand(e entrypoint.Entrypoint) *cobra.Command {
	var asJSON bool
	command := &cobra.Command{
		Use:   "env",
		Short: "Print what a sync of the variables would change: names, kinds of change, byte lengths",
		Long: "Print what a sync of the deployment's variables would change, without any value: names, kinds of\nchange, lengths in bytes." +
			cli.Ends("0 done", exit.Unavailable, exit.NoPermission, exit.Config),
		Example: "  docker compose exec platform platform-entrypoint env",
		RunE: func(command *cobra.Command, _ []string) error {
			environ, err := e.Environ()
			if err != nil {
				return err
			}
			s, err := openSession(environ)
			if err != nil {
				return err
			}
			plan, err := s.envPlan(command.Context())
			if err != nil {
				return err
			}
			if !asJSON {
				return plan.WriteText(command.OutOrStdout())
			}
			encoder := json.NewEncoder(command.OutOrStdout())
			encoder.SetIndent("", "  ")
			return encoder.Encode(plan)
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cli.Manual{Reads: cli.Reading(Settings{}), Page: "docs/variables.md"}.For(command)
}

func (s *session) envPlan(ctx context.Context) (envsync.Plan, error) {
	current, err := s.client.ListEnv(ctx)
	if err != nil {
		found := diagnosis.Diagnose(diagnosis.Observe(backend.StageListEnv, err))
		return envsync.Plan{}, exit.Errorf(found.Exit, "cannot read the deployment's variables: %w; %s", err, found.Cause)
	}
	return envsync.NewPlan(s.goal(), current, s.envMemory()), nil
}
