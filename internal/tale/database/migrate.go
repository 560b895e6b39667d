package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// recordTable is dbmate's table of the versions that are applied. It is in the first schema
// of the search_path: that of the URL, or else the session's.
const recordTable = "schema_migrations"

// Migrate applies the migrations of a folder that the database does not have, in order, and
// returns how many. One that fails ends it; those before it stay. say tells of each, and of
// what is waited for.
func (t Target) Migrate(ctx context.Context, database, dir string, wait time.Duration, say func(string)) (applied int, err error) {
	migrations, err := Migrations(dir)
	if err != nil {
		return 0, err
	}
	if len(migrations) == 0 {
		return 0, exit.Errorf(exit.Config, "there are no migrations in %s: their names begin with a version and end in .sql", dir)
	}
	c, err := t.connect(ctx, database)
	if err != nil {
		return 0, err
	}
	defer c.close(ctx)
	// A server that can notices the end of a killed client in the middle of a statement.
	_, _ = c.rows(ctx, "SET client_connection_check_interval = '1s'")
	if err := c.lock(ctx, wait, say); err != nil {
		return 0, err
	}
	done, err := c.applied(ctx)
	if err != nil {
		return 0, err
	}
	if err := c.createRecord(ctx); err != nil {
		return 0, err
	}
	for _, migration := range migrations {
		if slices.Contains(done, migration.Version) {
			continue
		}
		began := time.Now()
		if err := c.apply(ctx, migration, say); err != nil {
			return applied, err
		}
		applied++
		say(fmt.Sprintf("%s applied after %s", migration.Name, time.Since(began).Round(time.Millisecond)))
	}
	return applied, nil
}

// recordName returns the table's name, quoted, which changes with the search_path.
func (c *connection) recordName(ctx context.Context) (quoted, schema string, err error) {
	first, _, _ := strings.Cut(c.target.Server.SearchPath, ",")
	rows, err := c.rows(ctx, `SELECT quote_ident(name), name FROM (SELECT coalesce(nullif($1, ''), current_schema(), 'public') AS name) AS s`, strings.TrimSpace(first))
	if err != nil {
		return "", "", err
	}
	return rows[0][0] + "." + recordTable, rows[0][1], nil
}

// applied returns the versions that are recorded.
func (c *connection) applied(ctx context.Context) ([]string, error) {
	name, schema, err := c.recordName(ctx)
	if err != nil {
		return nil, err
	}
	there, err := c.rows(ctx, "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2", schema, recordTable)
	if err != nil || len(there) == 0 {
		return nil, err
	}
	rows, err := c.rows(ctx, "SELECT version FROM "+name+" ORDER BY version")
	versions := make([]string, len(rows))
	for i, row := range rows {
		versions[i] = row[0]
	}
	return versions, err
}

func (c *connection) createRecord(ctx context.Context) error {
	name, schema, err := c.recordName(ctx)
	if err != nil {
		return err
	}
	create := "CREATE TABLE IF NOT EXISTS " + name + " (version varchar PRIMARY KEY)"
	_, err = c.rows(ctx, create)
	if state(err) == noSchema {
		if _, err = c.rows(ctx, "CREATE SCHEMA IF NOT EXISTS "+quote(schema)); err == nil {
			_, err = c.rows(ctx, create)
		}
	}
	return err
}

// apply runs one migration and records it: together, or else, without a transaction, one
// after the other.
func (c *connection) apply(ctx context.Context, m Migration, say func(string)) error {
	up, err := m.up()
	if err != nil {
		return exit.Errorf(exit.DeployRefused, "cannot apply %s: %w; nothing of it was applied", m.Name, err)
	}
	ctx, stop := c.watched(ctx, m.Name, say)
	defer stop()
	if !up.transaction {
		return c.applyBare(ctx, m, up)
	}
	// A migration before may have made the session read-only; dbmate does not care.
	if _, err := c.run(ctx, "BEGIN READ WRITE"); err != nil {
		return c.refused(ctx, m, up, err)
	}
	tags, err := c.run(ctx, up.text)
	switch {
	case err != nil:
	case c.TxStatus() == 'I' && !committed(tags):
		return exit.Errorf(exit.DeployRefused, "cannot apply %s: it rolls its own transaction back, so that nothing of it stays; it was not recorded", m.Name)
	default:
		err = c.record(ctx, m)
	}
	if err == nil && c.TxStatus() == 'I' {
		return exit.Errorf(exit.DeployRefused, "%s commits its own transaction: it was applied and recorded, and no more is applied in this run; say `-- migrate:up transaction:false` in it, or leave the COMMIT out", m.Name)
	}
	if err == nil {
		if _, err = c.run(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	return c.refused(ctx, m, up, errors.Join(err, c.rollback(ctx)))
}

// rollback leaves a transaction that has failed. Where the connection is lost the server
// does it.
func (c *connection) rollback(ctx context.Context) error {
	if c.IsClosed() || c.TxStatus() == 'I' {
		return nil
	}
	_, err := c.run(ctx, "ROLLBACK")
	return err
}

func (c *connection) applyBare(ctx context.Context, m Migration, up script) error {
	if _, err := c.run(ctx, up.text); err != nil {
		return c.refused(ctx, m, up, err)
	}
	if c.TxStatus() != 'I' {
		return c.refused(ctx, m, up, errors.Join(errors.New("it begins a transaction and does not end it"), c.rollback(ctx)))
	}
	if err := c.record(ctx, m); err != nil {
		return c.refused(ctx, m, up, fmt.Errorf("it was applied and cannot be recorded: %w", err))
	}
	return nil
}

// committed reports whether the last of some transactions was committed.
func committed(tags []string) bool {
	for _, tag := range slices.Backward(tags) {
		if tag == "COMMIT" || tag == "ROLLBACK" {
			return tag == "COMMIT"
		}
	}
	return false
}

func (c *connection) record(ctx context.Context, m Migration) error {
	name, _, err := c.recordName(ctx)
	if err == nil {
		_, err = c.rows(ctx, "INSERT INTO "+name+" (version) VALUES ($1)", m.Version)
	}
	if said, is := errors.AsType[*pgconn.PgError](err); is {
		said.Position, said.Where = 0, "recording version "+m.Version // no place in the file
	}
	return err
}

// refused says why a migration did not come about, in Postgres' own words, and where.
func (c *connection) refused(ctx context.Context, m Migration, up script, err error) error {
	left := "nothing of it stays"
	if !up.transaction {
		left = "it runs without a transaction, so that some of it may stay: look before it is run again"
	}
	said, is := errors.AsType[*pgconn.PgError](err)
	switch {
	case stopped(ctx) != nil:
		return fmt.Errorf("cannot apply %s: %w; %s", m.Name, stopped(ctx), left)
	case !is && errors.Is(err, errCopies), !is && !c.IsClosed():
		return exit.Errorf(exit.DeployRefused, "cannot apply %s: %w; %s", m.Name, err, left)
	case !is:
		_, why, fix := c.target.explain(c.database, netcause.Connected(err))
		return exit.Errorf(exit.Unavailable, "cannot apply %s: %s: %s; %s; %s", m.Name, c.target.place(), why, left, fix)
	case said.Severity == "FATAL":
		return exit.Errorf(exit.Unavailable, "cannot apply %s: %s (SQLSTATE %s); %s; run it again when the server is up", m.Name, said.Message, said.Code, left)
	}
	return exit.With(exit.DeployRefused, errors.New(words(m, up, said)+"\n  "+left))
}

// words returns what Postgres says, as psql would show it.
func words(m Migration, up script, said *pgconn.PgError) string {
	where := m.Name
	if said.Position > 0 {
		where = fmt.Sprintf("%s, line %d", m.Name, up.lineAt(said.Position))
	}
	text := fmt.Sprintf("cannot apply %s: %s: %s (SQLSTATE %s)", where, said.Severity, said.Message, said.Code)
	for _, more := range []struct{ label, text string }{{"DETAIL", said.Detail}, {"HINT", said.Hint}, {"QUERY", said.InternalQuery}, {"CONTEXT", said.Where}} {
		if more.text != "" {
			text += "\n  " + more.label + ": " + more.text
		}
	}
	return text
}
