package db

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
)

// target is the server that a command is about.
type target struct {
	database.Target
	database string           // that the URL names
	options  database.Options // of init and status
	own      *database.Target // as the stack logs in, if that is another login
}

// variables returns the settings that say which server is meant.
func variables() []config.Variable {
	variables := config.Describe(database.Settings{})
	for i := range variables {
		variables[i].Required = false // each stands in for another
	}
	return append(variables, config.Variable{Name: "PGPASSWORD", Tier: config.TierOperator, Doc: "Password for a --url without one"})
}

// find finds out which server is meant. The caller calls done.
func (a *app) find(ctx context.Context, command *cobra.Command, o serverFlags) (d *target, done func(), err error) {
	done = func() {}
	p, settings, err := a.settings(o)
	if err != nil {
		return nil, done, err
	}
	d = &target{options: optionsOf(p, settings)}
	d.options.Wait = o.wait
	switch named := cmp.Or(map[bool]string{true: "--url"}[o.url != ""], "POSTGRES_URL"); {
	case o.development && !o.from && (o.url != "" || settings.IsElsewhere()):
		err = exit.Errorf(exit.Usage, "--dev is the service db of the development stack, and %s names another server: leave --dev out if that one is meant", named)
	case o.url != "":
		err = a.givenServer(ctx, command, o, settings, d)
	case settings.IsElsewhere():
		d.Server, err = settings.Server()
	case settings.Storage == stack.StorageSQLite:
		err = exit.Errorf(exit.Config, "the project keeps its documents in a file (CONVEX_STORAGE=sqlite): there is no database server; name another one with --url")
	case p == nil:
		err = exit.Errorf(exit.Usage, "there is no project here and no --url that names a server")
	}
	if err != nil {
		return nil, done, err
	}
	d.CAFile = cmp.Or(o.ca, settings.Authority())
	if d.Server.URL == nil || o.from {
		if done, err = a.throughEngine(ctx, p, o, settings, d); err != nil {
			return nil, done, err
		}
	}
	d.options.Role = cmp.Or(d.options.Role, d.User())
	d.options.Database = d.database
	if d.own != nil {
		d.own.CAFile, d.own.Dial = d.CAFile, d.Dial
	}
	return d, done, nil
}

// optionsOf returns what a project needs of its server, or any stack where there is none.
func optionsOf(p *project.Project, settings database.Settings) database.Options {
	return database.Options{Platform: settings.Platform(), NeedVector: p == nil || p.Has(stack.RAG) || p.Has(stack.Crawler)}
}

// settings reads those of the project. Where the server is named there need not be
// one.
func (a *app) settings(o serverFlags) (*project.Project, database.Settings, error) {
	var settings database.Settings
	p, err := a.Open()
	if err != nil && (o.url != "" || a.Environ["POSTGRES_URL"] != "") {
		environ := config.Environ{}
		for _, name := range []string{"POSTGRES_URL", "DO_NOT_REQUIRE_SSL", "INSTANCE_NAME", "PG_CA_FILE"} {
			environ[name] = a.Environ[name]
		}
		environ["DB_PASSWORD"] = "-" // of a service db, of which there is none
		return nil, settings, config.Load(&settings, environ)
	}
	if err != nil {
		return nil, settings, err
	}
	values, err := p.Settings(a.Environ)
	if values == nil { // else what is wrong may be of something else
		return nil, settings, err
	}
	environ := values.Environ()
	if environ["DB_PASSWORD"] == "" && o.url != "" && cmp.Or(environ["DB_HOST"], stack.DB) == stack.DB {
		environ["DB_PASSWORD"] = "-"
	}
	return p, settings, config.Load(&settings, environ)
}

// givenServer reads --url. The stack's own user is that of POSTGRES_URL, which an
// administrator makes things for.
func (a *app) givenServer(ctx context.Context, command *cobra.Command, o serverFlags, settings database.Settings, d *target) (err error) {
	raw, prompter := o.url, a.Prompter(command)
	if raw == "-" {
		if raw, err = prompter.Input("URL of the server"); err != nil {
			return err
		}
	}
	if d.Server, d.database, err = stack.ParsePostgres("--url", raw); err != nil {
		return err
	}
	_, has := d.Server.URL.User.Password()
	switch {
	case has && o.url != "-":
		command.PrintErrln("note: arguments are for all users of this machine to see: --url - reads the URL from stdin")
	case !has && a.Environ["PGPASSWORD"] != "":
		d.setPassword(a.Environ["PGPASSWORD"])
	case !has && prompter.Terminal():
		password, err := prompter.Secret(ctx, fmt.Sprintf("Password of %s at %s", d.User(), d.Server.Address()))
		if err != nil {
			return err
		}
		d.setPassword(password)
	}
	if !settings.IsElsewhere() {
		return nil
	}
	own, err := settings.Server()
	if err != nil {
		return err
	}
	if user := own.URL.User.Username(); user != d.User() {
		d.options.Role = user
		d.options.Password, _ = own.URL.User.Password()
		d.own = &database.Target{Server: own}
	}
	return nil
}

func (d *target) setPassword(password string) {
	d.Server.URL.User = url.UserPassword(d.User(), password)
}

// throughEngine reaches the server from a network of the stack, and finds its service db
// where no other server is named.
func (a *app) throughEngine(ctx context.Context, p *project.Project, o serverFlags, settings database.Settings, d *target) (done func(), err error) {
	if p == nil {
		return func() {}, exit.Errorf(exit.Usage, "there is no project here, whose network --from-network is about")
	}
	s, err := a.Connect(ctx, p)
	if err != nil {
		return func() {}, err
	}
	id := p.File.ID
	projects := compose.Projects(id)
	if o.development {
		id = compose.DevelopmentID(id)
		projects = []string{id}
	}
	network := id + "_" + stack.Network
	if d.Server.URL == nil {
		containers, err := s.Engine.Containers(ctx, projects...)
		if err != nil {
			return s.Close, err
		}
		i := slices.IndexFunc(containers, func(c engine.Container) bool { return c.Service == stack.DB && c.State.Running })
		if i < 0 {
			starts := "`tale deploy` starts it, or `tale start` that for development (--dev)"
			if o.development {
				starts = "`tale start` starts it"
			}
			return s.Close, exit.Errorf(exit.Down, "the service db of %s does not run: %s; another server is named with --url", id, starts)
		}
		d.Place = "Postgres in " + containers[i].Name
		if d.Server, err = settings.At(containers[i].Addresses[network]); err != nil {
			return s.Close, err
		}
	}
	d.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
		return s.Engine.Dial(ctx, network, address)
	}
	return s.Close, nil
}
