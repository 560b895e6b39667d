package data

import (
	"cmp"
	"context"
	"os"
	"slices"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

// postgres returns the server and a container that has its programs: the database's own,
// or one of the same image for a server elsewhere.
func postgres(ctx context.Context, s *session.Session, state rollout.State) (server backup.Server, release func(), err error) {
	server, release = backup.Server{Engine: s.Engine, Project: s.Project.File.ID}, func() {}
	if s.Settings.Get("CONVEX_STORAGE") == stack.StorageSQLite {
		return server, release, nil // it is in the volume
	}
	settings := database.Settings{}
	if err := config.Load(&settings, s.Settings.Environ()); err != nil {
		return server, release, err
	}
	server.Platform = settings.Platform()
	if settings.PostgresURL == "" {
		db, there := state.Current(stack.DB)
		if !there || !db.State.Running {
			return server, release, exit.Errorf(exit.Config, "the database does not run: `tale deploy` starts it")
		}
		server.Container = db.ID
		server.Environ = map[string]string{
			"PGUSER": cmp.Or(db.Environment["POSTGRES_USER"], s.Settings.Get("DB_USER"), "tale"), "PGPASSWORD": s.Settings.Get("DB_PASSWORD"),
		}
		return server, release, nil
	}
	release, err = externalPostgres(ctx, s, state, settings, &server)
	return server, release, err
}

// externalPostgres borrows the programs of the release's database image, whose version
// should not be older than the server's. Others may have databases there.
func externalPostgres(ctx context.Context, s *session.Session, state rollout.State, settings database.Settings, server *backup.Server) (release func(), err error) {
	release = func() {}
	postgres, err := settings.Server()
	if err != nil {
		return release, err
	}
	image := databaseImage(s)
	if _, found, err := s.Engine.Image(ctx, image); err != nil || !found {
		return release, cmp.Or(err, exit.Errorf(exit.Config, "pg_dump of the database at %s is needed, and the engine does not have %s: `docker pull %s` first", postgres.Address(), image, image))
	}
	network := s.Project.File.ID + "_" + stack.Network
	if !slices.Contains(state.Networks, network) {
		network = "bridge"
	}
	authority := settings.Authority()
	server.Environ = loginVariables(postgres, authority)
	server.Databases = []string{server.Platform, database.Knowledge}
	if server.Container, release, err = s.Engine.Lend(ctx, image, network, map[string]string{engine.LabelProject: s.Project.File.ID}); err != nil {
		return func() {}, err
	}
	if authority != "" {
		err = lendFile(ctx, s.Engine, server.Container, authority)
	}
	if err == nil {
		err = server.FindMaintenance(ctx, append(database.Maintenance(postgres.URL.User.Username()), "template1"))
	}
	if err != nil {
		release()
		release = func() {}
	}
	return release, err
}

// lentAuthority is where a lent container has the file of PG_CA_FILE.
const lentAuthority = "/tmp/tale-ca.pem"

// loginVariables returns what tells the programs of Postgres where to log in. With the file
// of an authority they check whom they log in to, where TLS is required; unlike the backend
// they trust that authority alone then, and take TLS that is only preferred unchecked.
func loginVariables(postgres stack.Postgres, authority string) map[string]string {
	password, _ := postgres.URL.User.Password()
	variables := map[string]string{
		"PGHOST": postgres.URL.Hostname(), "PGPORT": postgres.Port(), "PGUSER": postgres.URL.User.Username(), "PGPASSWORD": password, "PGSSLMODE": string(postgres.Mode),
	}
	if options := postgres.URL.Query().Get("options"); options != "" {
		variables["PGOPTIONS"] = options
	}
	if authority != "" && postgres.Mode == stack.SSLRequire {
		variables["PGSSLMODE"], variables["PGSSLROOTCERT"] = "verify-full", lentAuthority
	}
	return variables
}

// lendFile gives a lent container the file of an authority.
func lendFile(ctx context.Context, e *engine.Engine, container, authority string) error {
	file, err := os.Open(authority)
	if err != nil {
		return exit.Errorf(exit.Config, "cannot read PG_CA_FILE: %w", err)
	}
	defer file.Close()
	return e.Stream(ctx, container, []string{"sh", "-c", `cat > "$0"`, lentAuthority}, nil, engine.Streams{In: file})
}

// databaseImage returns the database image of the release, also where the project does
// without the service.
func databaseImage(s *session.Session) string {
	all := *s
	all.Project = &project.Project{Dir: s.Project.Dir, File: s.Project.File}
	all.Project.File.Services = nil
	return all.Release("").Images[stack.DB]
}
