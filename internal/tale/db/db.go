// Package db has the commands for the databases of a stack, on its own server or another:
// what they do is in package database.
package db

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/console"
	"github.com/tale-project/tale-runtime/internal/tale/database"
	"github.com/tale-project/tale-runtime/internal/tale/session"
)

const codes = `

The server is --url, or else POSTGRES_URL of the project, or else its service db, which
is reached through the Docker engine. --url - reads the URL from the first line of stdin,
and a password that it does not have is PGPASSWORD, or asked for: arguments are for all
users of the machine to see.

Exit codes: 0 done, or nothing to do; 1 failed; 4 db does not run; 64 usage; 65 a
migration is refused by Postgres; 69 the server or the engine is unreachable; 75 another
tale changes the database; 77 login or rights; 78 configuration; 130 interrupted.`

// serverFlags say which server, and how it is reached.
type serverFlags struct {
	url, ca, dir      string
	development, from bool
	wait              time.Duration
}

// app is what all commands share, with those that are here.
type app struct{ *session.App }

// Command returns the one that has them all.
func Command(shared *session.App) *cobra.Command {
	a := &app{shared}
	return session.Group("db", "The databases of the stack, on its own server or another", a.initcommand(), a.migratecommand(), a.statuscommand())
}

func (o *serverFlags) add(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.url, "url", "", "`URL` of the server, postgresql://USER@HOST:5432, or - for the first line of stdin")
	cli.FileVar(flags, &o.ca, "ca", "PEM `FILE` of the authority that signed the server's certificate; default: PG_CA_FILE, if this machine has it")
	flags.BoolVar(&o.development, "dev", false, "the service db of the development stack")
	flags.BoolVar(&o.from, "from-network", false, "reach the server as the stack's containers do, whose names for it this machine may not know")
}

func (a *app) initcommand() *cobra.Command {
	o := serverFlags{}
	command := &cobra.Command{
		Use:   "init",
		Short: "Make the databases, extensions and schemas that the stack needs",
		Long: `Make what the stack needs on a Postgres server, 16 or newer: the databases tale_platform
(or what INSTANCE_NAME says) and tale_knowledge, its schemas public_web and
private_knowledge, extensions, rights and the search path. What is there stays, so it
can be run again. No superuser is needed where the server has the rest; all that is
missing is listed at once, with what to ask for. pg_search is used where there is one.

With --url of an administrator the user of POSTGRES_URL is made as well.` + codes,
		Example: "  tale db init\n  tale db init --url postgresql://postgres@db.example.com   # asks for the password\n  pass show db-url | tale db init --url -",
	}
	o.add(command)
	session.WaitFlag(command, &o.wait)
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.onServer(command, o, "what was made stays; the same command again makes the rest", func(ctx context.Context, d *target) error { return a.initDatabase(ctx, command, d) })
	}
	return session.Reading(command, variables, session.EngineSettings)
}

func (a *app) migratecommand() *cobra.Command {
	o := serverFlags{}
	command := &cobra.Command{
		Use:   "migrate --dir DIR",
		Short: "Apply SQL migrations of dbmate's format",
		Long: `Apply the files VERSION_NAME.sql of a folder that the database does not have, in order,
as dbmate does: what is below "-- migrate:up" is run in a transaction, unless that line
says transaction:false, and the version is recorded with it in the table
schema_migrations. The first file that fails ends it; those before it stay.

The database is the one that the URL names, or else tale_knowledge. An advisory lock
keeps others out meanwhile.` + codes,
		Example: "  tale db migrate --dir services/db/migrations/db/migrations\n  tale db migrate --dir migrations --url postgresql://tale@db.example.com/other",
	}
	o.add(command)
	session.WaitFlag(command, &o.wait)
	cli.FolderVar(command.Flags(), &o.dir, "dir", "folder `DIR` of the migrations")
	_ = command.MarkFlagDirname("dir")
	command.RunE = func(command *cobra.Command, _ []string) error {
		if o.dir == "" {
			return exit.Errorf(exit.Usage, "--dir is missing, which names the folder of the migrations")
		}
		return a.onServer(command, o, "what was applied stays, and `tale db status`, with --dir, shows it; the same command again applies the rest", func(ctx context.Context, d *target) error {
			name := cmp.Or(d.database, database.Knowledge)
			applied, err := d.Migrate(ctx, name, o.dir, o.wait, func(text string) { command.PrintErrln(text) })
			if err != nil {
				return err
			}
			text := english.Plural(applied, "migration", "") + " applied to " + name
			if applied == 0 {
				text = "nothing to do: " + name + " has all migrations of " + o.dir
			}
			return a.Print(command.OutOrStdout(), map[string]any{"database": name, "applied": applied}, text+"\n")
		})
	}
	return session.Reading(command, variables, session.EngineSettings)
}

func (a *app) statuscommand() *cobra.Command {
	o := serverFlags{}
	command := &cobra.Command{
		Use:   "status",
		Short: "Show the databases, extensions, rights and migrations that there are",
		Long: `Show what there is on the server of what the stack needs, and with --dir which migrations
of a folder are applied. It changes nothing. Exit code 3 if something is missing or
pending.` + codes,
		Example: "  tale db status\n  tale db status --dir migrations --json",
	}
	o.add(command)
	cli.FolderVar(command.Flags(), &o.dir, "dir", "folder `DIR` of migrations to compare with")
	_ = command.MarkFlagDirname("dir")
	command.RunE = func(command *cobra.Command, _ []string) error {
		return a.onServer(command, o, "nothing was changed", func(ctx context.Context, d *target) error {
			s, err := d.Status(ctx, d.options)
			if err == nil && o.dir != "" {
				s.Migrations, err = d.MigrationStatus(ctx, cmp.Or(d.database, database.Knowledge), o.dir)
			}
			if err != nil {
				return err
			}
			err = a.Print(command.OutOrStdout(), s, s.Text())
			if err == nil && !s.Complete() {
				err = exit.With(exit.Degraded, errIncomplete)
			}
			return err
		})
	}
	return session.Reading(command, variables, session.EngineSettings)
}

var errIncomplete = errors.New("something is missing or pending: tale db init, tale db migrate")

// onServer does something with the server, until it is done or interrupted. Left is what stays at a
// second stop signal.
func (a *app) onServer(command *cobra.Command, o serverFlags, left string, do func(context.Context, *target) error) error {
	ctx, stop := console.Interruptible(command.Context(), func() {}, console.AtOnce(command.ErrOrStderr(), left))
	defer stop()
	d, done, err := a.find(ctx, command, o)
	defer done()
	if err != nil {
		return session.Interrupted(ctx, err)
	}
	err = do(ctx, d)
	if err != nil && ctx.Err() != nil {
		err = exit.Errorf(exit.Interrupted, "interrupted: %s", left)
	}
	return err
}

// initDatabase makes the databases and proves that the stack can use them.
func (a *app) initDatabase(ctx context.Context, command *cobra.Command, d *target) error {
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
	var text strings.Builder
	for _, what := range made {
		text.WriteString("made " + what + "\n")
	}
	fmt.Fprintf(&text, "the databases %s and %s are ready for %q\n", d.options.Platform, database.Knowledge, d.options.Role)
	return a.Print(command.OutOrStdout(), map[string]any{"made": append([]string{}, made...), "notes": append([]string{}, notes...)}, text.String())
}
