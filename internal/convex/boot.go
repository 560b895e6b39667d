package convex

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/crash"
	"github.com/tale-project/tale-runtime/internal/convex/seed"
	"github.com/tale-project/tale-runtime/internal/convex/trust"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/boot"
	"github.com/tale-project/tale-runtime/internal/entrypoint/writable"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/cgroup"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

const serviceName = "convex"

// Stages of a boot, as the log and the report name them.
const (
	stageStorage   = "storage"
	stageTrust     = "trust"
	stageSeed      = "seed"
	stageBackend   = "backend"
	stageDashboard = "dashboard"
	stageReady     = "ready"
)

// Boot is one boot of the convex service.
type Boot struct {
	*boot.Lifecycle
	settings *Settings
	environ  config.Environ
	log      *slog.Logger
	crashes  prometheus.Counter
	unusable error // the settings, or the user we run as

	trust    *trust.Bundle
	guard    *volume.Guard
	claim    *volume.Claim // or its file would be closed, and unlocked, as soon as nothing holds it
	backend  *backendWatch
	database *databaseWatch // nil with SQLite
	every    time.Duration  // between two looks at Postgres
	booted   sync.Once      // the stage ready is over
	services atomic.Pointer[supervise.Supervisor]
}

// newBoot returns a boot of the service with these settings.
func newBoot(settings *Settings, inv entrypoint.Invocation) *Boot {
	b := &Boot{
		settings: settings, environ: inv.Environ, log: inv.Log, crashes: newCrashCounter(),
		trust: trust.New(inv.Log, settings.Trust, settings.Site, settings.Boot.RunDir, inv.Environ), every: databaseEvery,
	}
	b.Lifecycle = boot.New(inv.Log, boot.Options{
		Service: serviceName, Version: settings.Seed.Version, Settings: settings.Boot,
		Describe: func(d *status.Document) {
			d.Children = boot.Children(b.services.Load().Snapshot())
			d.Crash = crash.Last(settings.Volume.BackendDir())
			d.Memory = describeMemory(cgroup.Here(), inv.Environ)
			d.Shared = stack.SharedBy(settings.Site, settings.Database)
		},
	})
	b.Register(b.crashes, newOOMCollector())
	b.backend = newBackendWatch(b)
	b.services.Store(supervise.New(inv.Log))
	return b
}

// everything returns the plan of the whole service.
func (b *Boot) everything() boot.Plan {
	return boot.Plan{
		Facts:  b.facts(),
		Config: b.config,
		Stages: []boot.Stage{
			{Name: stageStorage, Run: b.prepareStorage},
			{Name: stageTrust, Run: b.prepareTrust},
			{Name: stageSeed, Run: b.seedData, Changes: true},
		},
		Serve:   b.serve,
		Serving: []string{stageBackend, stageDashboard, stageReady},
	}
}

func (b *Boot) facts() []any {
	return []any{"instance", b.settings.Instance.Name, "site", b.settings.Site.SiteURL, "storage", b.settings.Database.Storage}
}

func (b *Boot) config(ctx context.Context) (string, error) {
	if b.unusable != nil {
		return "", b.unusable
	}
	return b.settings.Instance.Name + ", fingerprint of INSTANCE_SECRET: " + b.settings.Instance.Fingerprint(), b.settings.Network.CheckPortsFree(ctx)
}

func (b *Boot) seedData(ctx context.Context) (string, error) {
	result, err := seed.Run(ctx, b.log, b.settings.Seed, b.settings.Volume.DataDir)
	if err != nil && ctx.Err() == nil && !errors.As(err, new(report.Explained)) {
		err = report.New(exit.Code(writable.WithExitCode(err)), err.Error(),
			"a file of the data folder belongs to another user, its disk is full, or what the image brings cannot be read",
			"look at the path named above; chown -R 1001:1001 and df -h /app/data on the data volume",
			"seeding goes on where it stopped: "+place.Here().Restart("convex")).Err(err)
	}
	return result.String(), err
}
