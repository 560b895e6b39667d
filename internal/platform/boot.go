package platform

import (
	"context"
	"log/slog"

	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

const serviceName = "platform"

// Stages of a boot, as the log and the report name them.
const (
	stageConfig = boot.StageConfig
	stageWait   = "wait"
	stageAuth   = "auth"
	stageEnv    = "env"
	stageDeploy = "deploy"
	// stageFunctions is in the place of env and deploy where a job does these.
	stageFunctions = "functions"
	stageServe     = "serve"
	stageReady     = "ready"
)

// Boot is one boot of the platform service.
type Boot struct {
	*boot.Lifecycle
	session
	log      *slog.Logger
	services *supervise.Supervisor
	unusable error // the settings, or the user we run as

	changed diagnosis.Changed // by this boot, for the message of a failure
	waiting envsync.Waiting   // changes of variables that follow the push
	ran     string            // what has shown that functions run, where the push was skipped
}

// newBoot prepares a boot of the service, or a job beside it.
func newBoot(settings *Settings, inv entrypoint.Invocation, job string) *Boot {
	b := &Boot{session: session{settings: settings, environ: inv.Environ}, log: inv.Log, services: supervise.New(inv.Log)}
	b.Lifecycle = boot.New(inv.Log, boot.Options{
		Service: serviceName, Version: settings.Version, Colour: settings.Web.Colour, Settings: settings.Boot, Job: job,
		Describe: func(d *status.Document) { d.Children = boot.Children(b.services.Snapshot()) },
	})
	b.Register(reportCollector{b})
	return b
}

// everything returns the whole service: all up to the web server, and that until a
// stop is requested.
func (b *Boot) everything() boot.Plan {
	return boot.Plan{
		Facts:  b.facts(),
		Config: b.configAndPort,
		Stages: []boot.Stage{
			{Name: stageWait, Run: b.wait},
			{Name: stageAuth, Run: b.authenticate},
			{Name: stageEnv, Run: b.syncEnv, Changes: true},
			{Name: stageDeploy, Run: b.deploy, Changes: true},
		},
		Serve:   b.serve,
		Serving: []string{stageServe, stageReady},
	}
}

// pushOnly brings the backend up to date and ends: a job that runs once while
// many replicas serve, perhaps in a container where one of them does.
func (b *Boot) pushOnly() boot.Plan {
	plan := b.everything()
	plan.Config, plan.Serve, plan.Serving = b.config, nil, nil
	return plan
}

// serveOnly runs the web server once another has pushed.
func (b *Boot) serveOnly() boot.Plan {
	plan := b.everything()
	plan.Stages = []boot.Stage{
		{Name: stageWait, Run: b.wait},
		{Name: stageAuth, Run: b.authenticate},
		{Name: stageFunctions, Run: b.awaitFunctions},
	}
	return plan
}

func (b *Boot) facts() []any {
	return []any{"site", b.settings.Pushed.Site.SiteURL, "convex", b.settings.Backend.ConvexURL}
}

func (b *Boot) config(context.Context) (string, error) { return "", b.unusable }

// configAndPort fails before anything is pushed that nobody is going to serve.
func (b *Boot) configAndPort(ctx context.Context) (string, error) {
	if b.unusable != nil {
		return "", b.unusable
	}
	if err := checkAppFolder(b.settings.Deploy.AppDir); err != nil {
		return "", err
	}
	return "", b.checkPort(ctx)
}
