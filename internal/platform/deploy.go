package platform

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/push"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
)

// deploy brings the deployment's functions to what the app has, then runs the
// function that the settings name, if any.
func (b *Boot) deploy(ctx context.Context) (string, error) {
	options, function := b.deployOptions(), b.settings.Deploy.RunAfterDeploy
	options.OnRequest = func(request *requestfile.File) {
		if function == "" && hasMigrations(request) {
			function = migrations
			b.log.Info("the app has data migrations, which run after the deploy; CONVEX_RUN_AFTER_DEPLOY=off turns that off", "function", function)
		}
	}
	done, err := push.Deploy(ctx, b.log, b.client, options)
	b.recordDeploy(done)
	b.ran = done.Ran
	if failure, ok := errors.AsType[*diagnosis.Failure](err); ok {
		b.waiting.Explain(failure)
	}
	if err == nil {
		err = b.syncWaiting(ctx)
	}
	if err != nil {
		return "", err
	}
	// A retry that succeeds clears the failure.
	b.Update(func(d *report.Document) { d.Failure = nil })
	// It runs at every boot: whether it succeeded the last time is not known, and
	// what makes up for old data has to bear being run again.
	if function != "" && function != runNothing {
		run := push.AfterDeploy{Function: function, Redact: b.client.Secrets, OnWait: func(reason string) { b.Waits(stageDeploy, reason) }}
		after := run.Run(ctx, b.log, b.client)
		done.After = &after
		b.recordDeploy(done)
	}
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	if done.Skipped != "" {
		return "nothing to push: " + done.Skipped, nil
	}
	return describe(done), nil
}

const (
	// runNothing is the value of CONVEX_RUN_AFTER_DEPLOY that turns the default off.
	runNothing = "off"
	// migrations runs after the deploy of an app that has it, unless something is set.
	migrations = "migrations:runAll"
)

// hasMigrations leaves a request that cannot be read to the push, which says why.
func hasMigrations(request *requestfile.File) bool {
	found, err := request.Exports("migrations.js", "runAll")
	return found && err == nil
}

// describe leaves out what the driver cannot know.
func describe(done trace.Deploy) string {
	text := fmt.Sprintf("driver %s, attempts %d, %s", done.Driver, done.Attempts, done.Sent())
	if done.Functions > 0 {
		text += fmt.Sprintf(", %d functions", done.Functions)
	}
	return text
}

func (b *Boot) deployOptions() push.Options {
	s := b.settings.Deploy
	return push.Options{
		Driver:   s.Driver,
		Request:  s.PushRequest,
		CLI:      b.cli(),
		Timeout:  s.Timeout,
		Longest:  s.Max,
		Attempts: s.Attempts,
		Force:    s.ForcePush,
		MintKey:  b.settings.Instance.AdminKeyFor,
		Resync: func(ctx context.Context) ([]string, error) {
			result, err := b.runSync(ctx, b.envSync())
			return result.Plan.Written(), err
		},
		Variables: b.changed.Variables,
		Secrets:   b.secrets(),
		OnChange:  b.recordDeploy,
		OnRetry:   b.recordRetry,
	}
}

func (b *Boot) recordDeploy(deploy trace.Deploy) {
	b.Update(func(d *report.Document) {
		before, _ := report.Section[trace.Deploy](*d, trace.Section) // we have set it ourselves
		if before == nil || before.Attempts != deploy.Attempts {
			b.Waits(stageDeploy, fmt.Sprintf("attempt %d", deploy.Attempts))
		}
		if d.Failure != nil {
			d.Failure.NextAttempt = nil
		}
		d.Set(trace.Section, deploy)
	})
	b.SetAttempts(stageDeploy, deploy.Attempts)
}

// recordRetry keeps a failure in the report while the next attempt waits, so
// that status and health output can show it.
func (b *Boot) recordRetry(f *diagnosis.Failure) {
	failure := f.Report()
	b.Waits(stageDeploy, fmt.Sprintf("%s failed, next attempt in %s", failure.Stage, f.Next.Round(100*time.Millisecond)))
	b.CountFailure(failure)
	b.Update(func(d *report.Document) { d.Failure = &failure })
}
