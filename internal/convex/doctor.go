package convex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex/backend"
	"github.com/tale-project/tale-runtime/internal/convex/volume"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/entrypoint/writable"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/postgres"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Checks that others need.
const (
	volumeIsOurs   = "volume"
	databaseName   = "name of the database"
	backendAnswers = "backend answers"
)

// slowDatabase is how long a login may take before every function feels it.
const slowDatabase = 500 * time.Millisecond

func doctorCommand(e entrypoint.Entrypoint) *cobra.Command {
	command := doctor.Command(func() ([]doctor.Check, error) {
		environ, err := e.Environ()
		if err != nil {
			return nil, err
		}
		s := &Settings{}
		if err := config.Load(s, environ); err != nil {
			return nil, err
		}
		return slices.Concat(s.volumeChecks(), s.databaseChecks(), s.backendChecks()), nil
	})
	command.Example = "  docker compose exec convex convex-entrypoint doctor"
	return cli.Manual{Reads: cli.Reading(Settings{})}.For(command)
}

func (s *Settings) volumeChecks() []doctor.Check {
	return []doctor.Check{
		{Name: volumeIsOurs, Run: func(context.Context) (string, error) {
			err := doctor.Explained(writable.Check(s.Volume.DataDir, s.Volume.BackendDir()))
			if why := s.Volume.Fleeting(); err == nil && why != "" {
				err = doctor.Warning(doctor.WithFix(errors.New(s.Volume.DataDir+" is lost with its container: it is "+why), s.Volume.KeepFix()))
			}
			return s.Volume.DataDir + " is writable", err
		}},
		doctor.Disk(s.Volume.DataDir, "free space on the volume convex-data; the backend stops working without any"),
		{Name: "instance secret", Needs: []string{volumeIsOurs}, Run: func(context.Context) (string, error) {
			_, err := s.guard()
			return "the volume was used with it; fingerprint of INSTANCE_SECRET: " + s.Instance.Fingerprint(), doctor.Explained(err)
		}},
		doctor.MemoryLimit(place.Here().RaiseMemory("")),
	}
}

// guard compares the volume with the settings, and changes nothing.
func (s *Settings) guard() (*volume.Guard, error) {
	return volume.Open(logging.Discard(), s.Volume, s.Guards, s.use())
}

func (s *Settings) databaseChecks() []doctor.Check {
	server, err := s.Database.Server()
	switch {
	case s.Database.Storage == stack.StorageSQLite:
		return []doctor.Check{{Name: "database", Run: func(context.Context) (string, error) {
			return "", doctor.Skipped("CONVEX_STORAGE=sqlite uses no database server")
		}}}
	case err != nil:
		return []doctor.Check{{Name: "database", Run: func(context.Context) (string, error) { return "", doctor.Explained(err) }}}
	}
	return []doctor.Check{
		doctor.Resolves(databaseName, server.URL.Hostname(), "check DB_HOST or POSTGRES_URL; "+place.Here().State("db")+", because a container that is stopped has no name"),
		// Its lease has the time of the last start, so that this is about the clock, too.
		{Name: "database", Needs: []string{databaseName}, Run: func(ctx context.Context) (string, error) { return s.tryDatabase(ctx, server) }},
	}
}

func (s *Settings) tryDatabase(ctx context.Context, server stack.Postgres) (string, error) {
	login := postgres.Login{Server: server, Database: s.Instance.DatabaseName(), CAFile: s.Postgres.CAFile}
	began := time.Now()
	facts, err := login.Look(ctx)
	took := time.Since(began).Round(time.Millisecond)
	if err != nil {
		return "", doctor.Explained(err)
	}
	text := fmt.Sprintf("%s; logged in after %s, and the clocks agree", facts.Describe(login), took)
	if took > slowDatabase {
		return "", doctor.Warning(doctor.WithFix(errors.New(text), "every function waits for the database: have it nearer, or give it more CPU"))
	}
	return text, nil
}

func (s *Settings) backendChecks() []doctor.Check {
	ask := place.Here().Exec("convex", "convex-entrypoint status") + " says what keeps it down"
	return []doctor.Check{
		{Name: backendAnswers, Fix: ask, Run: func(ctx context.Context) (string, error) {
			version, err := s.probe().Identify(ctx)
			if err != nil {
				return "", fmt.Errorf("no answer from %s: %s", s.Network.URL(), netcause.Reason(err))
			}
			return fmt.Sprintf("%s, version %s, instance %s", s.Network.URL(), strings.TrimSpace(version), s.Instance.Name), nil
		}},
		{Name: "backend version", Needs: []string{backendAnswers, volumeIsOurs}, Run: func(ctx context.Context) (string, error) {
			version, err := s.probe().Version(ctx)
			if err != nil {
				return "", err
			}
			guard, err := s.guard()
			if err == nil {
				err = guard.RefuseBackend(strings.TrimSpace(version))
			}
			return "not older than the one that used the database last", doctor.Explained(err)
		}},
		{Name: "dashboard", Fix: place.Here().Log("convex") + "; " + ask, Run: s.checkDashboard},
	}
}

func (s *Settings) probe() backend.Probe {
	return backend.Probe{Prober: health.NewProber(), Network: s.Network, Name: s.Instance.Name}
}

func (s *Settings) checkDashboard(ctx context.Context) (string, error) {
	if len(s.Dashboard.Command) == 0 {
		return "", doctor.Skipped("CONVEX_DASHBOARD_COMMAND is empty")
	}
	url := fmt.Sprintf("http://127.0.0.1:%d%s", s.Dashboard.Port, s.Dashboard.BasePath)
	_, err := health.NewProber().Get(ctx, url)
	if status, ok := errors.AsType[*health.StatusError](err); ok && status.Status < http.StatusInternalServerError {
		err = nil // a redirect to its first page
	}
	if err != nil {
		return "", fmt.Errorf("no answer from %s: %s", url, netcause.Reason(err))
	}
	return url + " answers", nil
}
