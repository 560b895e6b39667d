package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// CheckServer looks at the database server of POSTGRES_URL or DB_HOST, as one of doctor's checks. The
// stack may reach one that this machine does not, which is no more than a warning.
func CheckServer(ctx context.Context, p *project.Project, values project.Settings) (string, error) {
	said := stack.Database{Storage: values.Get("CONVEX_STORAGE"), PostgresURL: config.Secret(values.Get("POSTGRES_URL")), Host: cmp.Or(values.Get("DB_HOST"), stack.DB)}
	switch {
	case said.Storage == stack.StorageSQLite:
		return "", doctor.Skipped("documents are in a file (CONVEX_STORAGE=sqlite)")
	case !said.IsElsewhere():
		return "", doctor.Skipped("the stack has its own")
	}
	settings := database.Settings{}
	if err := config.Load(&settings, values.Environ()); err != nil {
		return "", err
	}
	server, err := settings.Server()
	if err != nil {
		return "", err
	}
	target, options := database.Target{Server: server, CAFile: settings.Authority()}, optionsOf(p, settings)
	options.Role = target.User()
	status, err := target.Status(ctx, options)
	if code := exit.Code(err); err != nil && code != exit.NoPermission && code != exit.Config {
		return "", doctor.Warning(fmt.Errorf("from this machine: %w", err))
	}
	if err != nil {
		return "", err
	}
	for _, d := range status.Databases {
		for _, what := range d.Missing {
			err = errors.Join(err, fmt.Errorf("%s: %s is missing", d.Name, what))
		}
		if d.Name == database.Knowledge && err != nil { // the backend does without
			err = doctor.Warning(err)
		}
		if err != nil {
			return "", doctor.WithFix(err, "`tale db init` makes what is missing")
		}
	}
	return fmt.Sprintf("Postgres %s has what the stack needs", status.Server.Version), nil
}
