package data

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
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
	settings, err := inUse(ctx, s, state)
	if err != nil || settings.Storage == stack.StorageSQLite {
		return server, release, err // it is in the volume
	}
	server.Platform = settings.Platform()
	db, there := state.Current(stack.DB)
	if elsewhere, err := isElsewhere(settings, there); err != nil || elsewhere {
		if err == nil {
			release, err = externalPostgres(ctx, s, state, settings, &server)
			err = moved(ctx, s, settings, err)
		}
		return server, release, err
	}
	if !there || !db.State.Running {
		return server, release, exit.Errorf(exit.Config, "the database does not run: %s", startDatabase(ctx, s, db.Name))
	}
	server.Container = db.ID
	server.Environ = map[string]string{
		"PGUSER": cmp.Or(db.Environment["POSTGRES_USER"], settings.User), "PGPASSWORD": s.Settings.Get("DB_PASSWORD"),
	}
	return server, release, nil
}

// inUse returns the settings of the database that has the data: those that the container of
// convex was made with, which an override leads elsewhere than .env does, or which are older
// than .env; those of .env where there is none, or it names no database.
func inUse(ctx context.Context, s *session.Session, state rollout.State) (settings database.Settings, err error) {
	convex, _ := state.Current(stack.Convex)
	said := config.Environ{}
	for _, v := range config.Describe(settings) {
		said[v.Name] = convex.Environment[v.Name]
		if file := convex.Environment[v.FileName()]; file != "" && said[v.Name] == "" {
			text, err := s.Engine.ReadFile(ctx, convex.ID, file)
			if err != nil {
				return settings, exit.Errorf(exit.Config, "cannot find out which database convex uses: %w", err)
			}
			said[v.Name] = config.SecretIn(text)
		}
	}
	if config.Load(&settings, said) == nil {
		return settings, nil
	}
	settings = database.Settings{}
	return settings, config.Load(&settings, s.Settings.Environ())
}

// moved adds to the error of a server that is not reached that .env names another one by now.
func moved(ctx context.Context, s *session.Session, used database.Settings, err error) error {
	var now database.Settings
	if exit.Code(err) != exit.Unavailable || config.Load(&now, s.Settings.Environ()) != nil || now.URL() == used.URL() {
		return err
	}
	mend := "`tale deploy` makes convex anew for it"
	if Unfinished(ctx, s) != nil { // a deploy would be refused
		mend = "`docker rm -f " + s.Project.File.ID + "-" + stack.Convex + "`, and a restore goes by .env; `tale deploy` makes convex anew then"
	}
	return fmt.Errorf("%w; convex was made for that server; if .env names another by now: %s", err, mend)
}

// isElsewhere reports whether the data are on another server than the stack's own, where it
// has one: earlier releases gave convex the URL of that.
func isElsewhere(settings database.Settings, hasOwn bool) (bool, error) {
	if !settings.IsElsewhere() {
		return false, nil
	}
	server, err := settings.Server()
	return err == nil && (!hasOwn || server.URL.Hostname() != stack.DB), err
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
	network, reached, err := reachFrom(networksOf(s, state), func(network string) (database.Reached, error) {
		return reach(ctx, s, state, settings, network)
	})
	if err != nil {
		return release, err
	}
	server.Environ, server.Maintenance = loginVariables(postgres, reached), reached.Database
	server.Databases = []string{server.Platform, database.Knowledge}
	if server.Container, release, err = s.Engine.Lend(ctx, image, network, s.Project.File.ID); err != nil {
		return func() {}, err
	}
	if reached.Authorities != nil {
		in := engine.Streams{In: bytes.NewReader(reached.Authorities)}
		err = s.Engine.Stream(ctx, server.Container, []string{"sh", "-c", `cat > "$0"`, lentAuthority}, nil, in)
	}
	if err != nil {
		release()
		release = func() {}
	}
	return release, err
}

// networksOf returns those of the engine from which a server elsewhere may be reached: the
// stack's own, and others that an override has put convex into.
func networksOf(s *session.Session, state rollout.State) []string {
	own := s.Project.File.ID + "_" + stack.Network
	if !slices.Contains(state.Networks, own) {
		return []string{"bridge"}
	}
	convex, _ := state.Current(stack.Convex)
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(convex.Addresses)), func(name string) bool { return name == own })
	return append([]string{own}, others...)
}

// reachFrom returns the first network from which a server is reached. What the server says,
// and why it is not reached from the first one, holds for all.
func reachFrom(networks []string, reach func(network string) (database.Reached, error)) (network string, reached database.Reached, err error) {
	for i, network := range networks {
		found, failed := reach(network)
		if exit.Code(failed) != exit.Unavailable {
			return network, found, failed
		}
		if i == 0 {
			err = failed
		}
	}
	return "", reached, err
}

// reach logs in to the server from a network of the engine, as the backend does.
func reach(ctx context.Context, s *session.Session, state rollout.State, settings database.Settings, network string) (r database.Reached, err error) {
	t := database.Target{CAFile: settings.Authority()}
	if t.Server, err = settings.Server(); err != nil {
		return r, err
	}
	t.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
		return s.Engine.Dial(ctx, network, address)
	}
	if t.CAFile == "" && settings.CAFile != "" && t.Server.Mode != stack.SSLDisable {
		remove, err := ownAuthority(ctx, s, state, settings.CAFile, &t)
		if err != nil {
			return r, exit.Errorf(exit.Config, "cannot check the certificate of Postgres at %s: this machine does not have the PG_CA_FILE %s, and the container of convex neither: %w", t.Server.Address(), settings.CAFile, err)
		}
		defer remove()
	}
	return t.Reach(ctx)
}

// ownAuthority copies the file that the backend goes by out of its container, until remove.
func ownAuthority(ctx context.Context, s *session.Session, state rollout.State, path string, t *database.Target) (remove func(), err error) {
	convex, there := state.Current(stack.Convex)
	if !there {
		return nil, errors.New("there is none")
	}
	text, err := s.Engine.ReadFile(ctx, convex.ID, path)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "tale-ca-*.pem")
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.Remove(file.Name()) }
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err != nil {
		remove()
	}
	t.CAFile = file.Name()
	return remove, err
}

// lentAuthority is where a lent container has the certificates of authorities.
const lentAuthority = "/tmp/tale-ca.pem"

// loginVariables returns what tells the programs of Postgres to log in as the backend does,
// which knows more ways to come by an authority: they get those that have signed.
func loginVariables(postgres stack.Postgres, reached database.Reached) map[string]string {
	password, _ := postgres.URL.User.Password()
	variables := map[string]string{
		"PGHOST": postgres.URL.Hostname(), "PGPORT": postgres.Port(), "PGUSER": postgres.URL.User.Username(), "PGPASSWORD": password, "PGSSLMODE": "disable",
	}
	if options := postgres.URL.Query().Get("options"); options != "" {
		variables["PGOPTIONS"] = options
	}
	if reached.Secured {
		variables["PGSSLMODE"], variables["PGSSLROOTCERT"] = "verify-full", lentAuthority
	}
	return variables
}

// databaseImage returns the database image of the release, also where the project does
// without the service.
func databaseImage(s *session.Session) string {
	all := *s
	all.Project = &project.Project{Dir: s.Project.Dir, File: s.Project.File}
	all.Project.File.Services = nil
	return all.Release("").Images[stack.DB]
}
