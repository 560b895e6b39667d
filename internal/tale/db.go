package tale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/tale/compose"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

const databaseCodes = `

The server is --url, or else POSTGRES_URL of the project, or else its service db, which
is reached through the Docker engine. --url - reads the URL from the first line of stdin,
and a password that it does not have is PGPASSWORD, or asked for: arguments are for all
users of the machine to see.

Exit codes: 0 done, or nothing to do; 1 failed; 4 db does not run; 64 usage; 65 a
migration is refused by Postgres; 69 the server or the engine is unreachable; 75 another
tale changes the database; 77 login or rights; 78 configuration; 130 interrupted.`

// databaseFlags say which server, and how it is reached.
type databaseFlags struct {
	url, ca, dir      string
	development, from bool
	wait              time.Duration
}

func (a *app) databaseCommand() *cobra.Command {
	return group("db", "The databases of the stack, on its own server or another", a.databaseInitCommand(), a.databaseMigrateCommand(), a.databaseStatusCommand())
}

func (o *databaseFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.url, "url", "", "`URL` of the server, postgresql://USER@HOST:5432, or - for the first line of stdin")
	cli.FileVar(flags, &o.ca, "ca", "PEM `FILE` of the authority that signed the server's certificate; default: PG_CA_FILE, if this machine has it")
	flags.BoolVar(&o.development, "dev", false, "the service db of the development stack")
	flags.BoolVar(&o.from, "from-network", false, "reach the server as the stack's containers do, whose names for it this machine may not know")
}

func (a *app) databaseInitCommand() *cobra.Command {
	o := databaseFlags{}
	command := &cobra.Command{
		Use:   "init",
		Short: "Make the databases, extensions and schemas that the stack needs",
		Long: `Make what the stack needs on a Postgres server, 16 or newer: the databases tale_platform
(or what INSTANCE_NAME says) and tale_knowledge, its schemas public_web and
private_knowledge, extensions, rights and the search path. What is there stays, so it
can be run again. No superuser is needed where the server has the rest; all that is
missing is listed at once, with what to ask for. pg_search is used where there is one.

With --url of an administrator the user of POSTGRES_URL is made as well.` + databaseCodes,
		Example: "  tale db init\n  tale db init --url postgresql://postgres@db.example.com   # asks for the password\n  pass show db-url | tale db init --url -",
	}
	o.add(command)
	waitFlag(command, &o.wait)
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.onDatabase(command, o, func(ctx context.Context, d *databaseTarget) error { return a.initDatabase(ctx, command, d) })
	}
	return reading(command, databaseVariables, engineSettings)
}

func (a *app) databaseMigrateCommand() *cobra.Command {
	o := databaseFlags{}
	command := &cobra.Command{
		Use:   "migrate --dir DIR",
		Short: "Apply SQL migrations of dbmate's format",
		Long: `Apply the files VERSION_NAME.sql of a folder that the database does not have, in order,
as dbmate does: what is below "-- migrate:up" is run in a transaction, unless that line
says transaction:false, and the version is recorded with it in the table
schema_migrations. The first file that fails ends it; those before it stay.

The database is the one that the URL names, or else tale_knowledge. An advisory lock
keeps others out meanwhile.` + databaseCodes,
		Example: "  tale db migrate --dir services/db/migrations/db/migrations\n  tale db migrate --dir migrations --url postgresql://tale@db.example.com/other",
	}
	o.add(command)
	waitFlag(command, &o.wait)
	cli.FolderVar(command.Flags(), &o.dir, "dir", "folder `DIR` of the migrations")
	_ = command.MarkFlagDirname("dir")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if o.dir == "" {
			return exit.Errorf(exit.Usage, "--dir names no folder of migrations")
		}
		return a.onDatabase(command, o, func(ctx context.Context, d *databaseTarget) error {
			name := cmp.Or(d.database, database.Knowledge)
			applied, err := d.Migrate(ctx, name, o.dir, o.wait, func(text string) { command.PrintErrln(text) })
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(command.OutOrStdout(), map[string]any{"database": name, "applied": applied})
			}
			text := english.Plural(applied, "migration", "") + " applied to " + name
			if applied == 0 {
				text = "nothing to do: " + name + " has all migrations of " + o.dir
			}
			_, err = fmt.Fprintln(command.OutOrStdout(), text)
			return err
		})
	}
	return reading(command, databaseVariables, engineSettings)
}

func (a *app) databaseStatusCommand() *cobra.Command {
	o := databaseFlags{}
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the databases, extensions, rights and migrations that there are",
		Long: `Show what there is on the server of what the stack needs, and with --dir which migrations
of a folder are applied. It changes nothing. Exit code 3 if something is missing or
pending.` + databaseCodes,
		Example: "  tale db status\n  tale db status --dir migrations --json",
	}
	o.add(command)
	cli.FolderVar(command.Flags(), &o.dir, "dir", "folder `DIR` of migrations to compare with")
	_ = command.MarkFlagDirname("dir")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.onDatabase(command, o, func(ctx context.Context, d *databaseTarget) error {
			s, err := d.Status(ctx, d.options)
			if err == nil && o.dir != "" {
				s.Migrations, err = d.MigrationStatus(ctx, cmp.Or(d.database, database.Knowledge), o.dir)
			}
			switch {
			case err != nil:
				return err
			case a.json:
				err = printJSON(command.OutOrStdout(), s)
			default:
				err = s.Write(command.OutOrStdout())
			}
			if err == nil && !s.Complete() {
				err = exit.With(exit.Degraded, errIncomplete)
			}
			return err
		})
	}
	return reading(command, databaseVariables, engineSettings)
}

var errIncomplete = errors.New("something is missing or pending: tale db init, tale db migrate")

// databaseTarget is the server that a command is about.
type databaseTarget struct {
	database.Target
	database string           // that the URL names
	options  database.Options // of init and status
	own      *database.Target // as the stack logs in, if that is another login
}

// onDatabase does something with the server, until it is done or interrupted.
func (a *app) onDatabase(command *cobra.Command, o databaseFlags, do func(context.Context, *databaseTarget) error) error {
	ctx, stop := console.Interruptible(command.Context(), func() {})
	defer stop()
	d, done, err := a.databaseTarget(ctx, command, o)
	if err != nil {
		return err
	}
	defer done()
	err = do(ctx, d)
	if err != nil && ctx.Err() != nil {
		err = exit.With(exit.Interrupted, err)
	}
	return err
}

// stackDatabase is what the settings say of the server.
type stackDatabase struct {
	stack.Database
	Instance string `env:"INSTANCE_NAME" envDefault:"tale_platform"`
	CAFile   string `env:"PG_CA_FILE"`
}

// databaseVariables returns the settings that say which server is meant.
func databaseVariables() []config.Variable {
	variables := config.Describe(stackDatabase{})
	for i := range variables {
		variables[i].Required = false // each stands in for another
	}
	return append(variables, config.Variable{Name: "PGPASSWORD", Tier: config.TierOperator, Doc: "Password for a --url without one"})
}

// databaseTarget finds out which server is meant. The caller calls done.
func (a *app) databaseTarget(ctx context.Context, command *cobra.Command, o databaseFlags) (d *databaseTarget, done func(), err error) {
	done = func() {}
	p, settings, err := a.databaseSettings(o)
	if err != nil {
		return nil, done, err
	}
	d = &databaseTarget{options: database.Options{Platform: stack.Instance{Name: settings.Instance}.DatabaseName(), Wait: o.wait}}
	d.options.NeedVector = p == nil || p.Has(stack.RAG) || p.Has(stack.Crawler)
	switch {
	case o.url != "":
		err = a.givenServer(ctx, command, o, settings, d)
	case settings.PostgresURL != "":
		d.Server, err = settings.Server()
	case settings.Storage == stack.StorageSQLite:
		err = exit.Errorf(exit.Config, "the project keeps its documents in a file (CONVEX_STORAGE=sqlite): there is no database server; name another one with --url")
	case p == nil:
		err = exit.Errorf(exit.Usage, "there is no project here and no --url that names a server")
	}
	if err != nil {
		return nil, done, err
	}
	d.CAFile = o.ca
	if _, missing := os.Stat(settings.CAFile); d.CAFile == "" && missing == nil {
		d.CAFile = settings.CAFile
	}
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

// databaseSettings reads those of the project. Where the server is named there need not be
// one.
func (a *app) databaseSettings(o databaseFlags) (*project.Project, stackDatabase, error) {
	var settings stackDatabase
	p, err := a.open()
	if err != nil && (o.url != "" || a.environ["POSTGRES_URL"] != "") {
		environ := config.Environ{}
		for _, name := range []string{"POSTGRES_URL", "DO_NOT_REQUIRE_SSL", "INSTANCE_NAME", "PG_CA_FILE"} {
			environ[name] = a.environ[name]
		}
		environ["DB_PASSWORD"] = "-" // of a service db, of which there is none
		return nil, settings, config.Load(&settings, environ)
	}
	if err != nil {
		return nil, settings, err
	}
	values, err := p.Settings(a.environ)
	if values == nil { // else what is wrong may be of something else
		return nil, settings, err
	}
	environ := values.Environ()
	if environ["DB_PASSWORD"] == "" && o.url != "" {
		environ["DB_PASSWORD"] = "-"
	}
	return p, settings, config.Load(&settings, environ)
}

// givenServer reads --url. The stack's own user is that of POSTGRES_URL, which an
// administrator makes things for.
func (a *app) givenServer(ctx context.Context, command *cobra.Command, o databaseFlags, settings stackDatabase, d *databaseTarget) (err error) {
	raw, prompter := o.url, a.prompter(command)
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
	case !has && a.environ["PGPASSWORD"] != "":
		d.setPassword(a.environ["PGPASSWORD"])
	case !has && prompter.Terminal():
		password, err := prompter.Secret(ctx, fmt.Sprintf("Password of %s at %s", d.User(), d.Server.Address()))
		if err != nil {
			return err
		}
		d.setPassword(password)
	}
	if settings.PostgresURL == "" {
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

func (d *databaseTarget) setPassword(password string) {
	d.Server.URL.User = url.UserPassword(d.User(), password)
}

// throughEngine reaches the server from a network of the stack, and finds its service db
// where no other server is named.
func (a *app) throughEngine(ctx context.Context, p *project.Project, o databaseFlags, settings stackDatabase, d *databaseTarget) (done func(), err error) {
	if p == nil {
		return func() {}, exit.Errorf(exit.Usage, "there is no project here, whose network --from-network is about")
	}
	s, err := a.connect(ctx, p)
	if err != nil {
		return func() {}, err
	}
	id := p.File.ID
	projects := rollout.Projects(id)
	if o.development {
		id = compose.DevelopmentID(id)
		projects = []string{id}
	}
	network := id + "_" + stack.Network
	if d.Server.URL == nil {
		containers, err := s.engine.Containers(ctx, projects...)
		if err != nil {
			return s.close, err
		}
		i := slices.IndexFunc(containers, func(c engine.Container) bool { return c.Service == stack.DB && c.State.Running })
		if i < 0 {
			return s.close, exit.Errorf(exit.Down, "the service db of %s does not run: `tale deploy` starts it, or `tale start` that for development (--dev); another server is named with --url", id)
		}
		d.Place = "Postgres in " + containers[i].Name
		settings.PostgresURL = "" // the name db leads to it only in the network
		settings.Host, settings.Port = containers[i].Addresses[network], stack.DBPort
		if d.Server, err = settings.Server(); err != nil {
			return s.close, err
		}
	}
	d.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
		return s.engine.Dial(ctx, network, address)
	}
	return s.close, nil
}

// initDatabase makes the databases and proves that the stack can use them.
func (a *app) initDatabase(ctx context.Context, command *cobra.Command, d *databaseTarget) error {
	var notes []string
	made, err := d.Init(ctx, d.options, func(text string) {
		notes = append(notes, text)
		command.PrintErrln("note: " + text)
	})
	if err != nil {
		return err
	}
	if d.own != nil {
		s, err := d.own.Status(ctx, d.options)
		if err != nil {
			return fmt.Errorf("the databases are there, and POSTGRES_URL cannot use them: %w", err)
		}
		if !s.Complete() {
			return exit.Errorf(exit.NoPermission, "the databases are there, and the user of POSTGRES_URL lacks rights in them: `tale db status` shows which")
		}
	}
	if a.json {
		return printJSON(command.OutOrStdout(), map[string]any{"made": append([]string{}, made...), "notes": append([]string{}, notes...)})
	}
	for _, what := range made {
		if _, err := fmt.Fprintln(command.OutOrStdout(), "made "+what); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(command.OutOrStdout(), "the databases "+d.options.Platform+" and "+database.Knowledge+" are ready for "+strconv.Quote(d.options.Role))
	return err
}
