package backup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Server is a Postgres server, and where its own programs run.
type Server struct {
	Engine    *engine.Engine
	Project   string            // id
	Container string            // that has psql, pg_dump and pg_restore
	Environ   map[string]string // PGUSER and so on
	// Platform is the backend's database.
	Platform string
	// Databases are the project's on a server that others may use. nil stands for all: of a
	// server that is the project's own.
	Databases []string
	// Maintenance is the database that is connected to where another one is the matter;
	// "" is ownMaintenance.
	Maintenance string
	Warn        func(text string) // of what was left out
}

// ownMaintenance is there on each server that a project has of its own, and holds no data.
const ownMaintenance = "postgres"

// Address returns where the databases are; "" stands for a server that is the project's own.
func (s Server) Address() string {
	if s.Databases == nil {
		return ""
	}
	return net.JoinHostPort(s.Environ["PGHOST"], s.Environ["PGPORT"]) + "/" + s.Platform
}

func (s Server) maintenance() string { return cmp.Or(s.Maintenance, ownMaintenance) }

// ours returns the condition for the databases of the project, of which each may be looked
// into.
func (s Server) ours() string {
	if s.Databases == nil {
		return "datname <> " + literal(ownMaintenance)
	}
	names := []string{"NULL"}
	for _, database := range s.Databases {
		names = append(names, literal(database))
	}
	return "datname IN (" + strings.Join(names, ", ") + ")"
}

// owns reports whether a database is one of the project's, or was made by a restore in the
// place of one.
func (s Server) owns(database string) bool {
	ending, before := endingOfBefore(database)
	return s.Databases == nil || slices.ContainsFunc(s.Databases, func(ours string) bool {
		return database == ours || database == beside(ours, restoringEnding) || before && database == beside(ours, ending)
	})
}

// query runs statements and returns what they print, a row a line.
func (s Server) query(ctx context.Context, database, statements string) ([]string, error) {
	var out bytes.Buffer
	warnings := engine.Lines(func(line string) {
		if _, warning, is := strings.Cut(line, " WARNING:  "); is && s.Warn != nil {
			s.Warn(warning)
		}
	})
	err := s.run(ctx, psql(database), engine.Streams{In: strings.NewReader(statements), Out: &out, Err: warnings})
	if err != nil {
		return nil, fmt.Errorf("cannot ask Postgres: %w", err)
	}
	return slices.Collect(strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), "\n")), nil
}

// run runs a program of Postgres. Told apart are one that has failed, one that was ended
// with its server or its connection to it, and a server that is away.
func (s Server) run(ctx context.Context, command []string, streams engine.Streams) error {
	err := s.Engine.Stream(ctx, s.Container, command, s.Environ, streams)
	ended, is := errors.AsType[*engine.EndedError](err)
	if !is && !engine.IsNotFound(err) && !engine.IsConflict(err) {
		return err
	}
	said := err
	if is && ended.Said != "" {
		said = errors.New(ended.Said)
	}
	switch {
	case !s.answers(ctx):
		return exit.Errorf(exit.Unavailable, "Postgres does not answer, `tale db status` says when it does again: %w", said)
	case !is, ended.Killed(), connectionLost.MatchString(ended.Said):
		return exit.Errorf(exit.Temporary, "Postgres was restarted, or has ended the connection, and answers again: run the same command again: %w", said)
	}
	return said
}

// answers reports whether the server is there.
func (s Server) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	return s.try(ctx) == nil
}

// try asks the least that can be asked.
func (s Server) try(ctx context.Context) error {
	err := s.Engine.Stream(ctx, s.Container, psql(s.maintenance()), s.Environ, engine.Streams{In: strings.NewReader("SELECT 1;\n")})
	if ended, is := errors.AsType[*engine.EndedError](err); is && ended.Said != "" {
		return errors.New(ended.Said)
	}
	return err
}

// await waits until the server answers, but no longer than restarting.
func (s Server) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, restarting)
	defer cancel()
	for !s.answers(ctx) && pause.For(ctx, 250*time.Millisecond) {
	}
}

// connectionLost is what libpq says of a connection that its server has not ended in due
// form: it has no code for that.
var connectionLost = regexp.MustCompile(`server closed the connection unexpectedly|SSL connection has been closed unexpectedly|SSL SYSCALL error|could not (receive data from|send data to) server|terminating connection`)

const (
	// answering is how long Postgres may take to say that it is there.
	answering = 10 * time.Second
	// restarting is how long it may take to be there again.
	restarting = time.Minute
)

// transaction runs statements all or none.
func (s Server) transaction(ctx context.Context, statements ...string) error {
	_, err := s.query(ctx, s.maintenance(), "BEGIN;\n"+strings.Join(statements, ";\n")+";\nCOMMIT;\n")
	return err
}

func psql(database string) []string {
	return program("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", connection(database), "-c", withoutLimits, "-f", "-")
}

// withoutLimits lets a session wait and work for as long as it takes: a server, a database or a role
// may end those that do so for longer than a site's should, and what is large takes longer. The last
// of them came with Postgres 17. It returns no row, and needs no language, which a server may be without.
const withoutLimits = `SELECT FROM pg_settings WHERE CASE
WHEN name IN ('statement_timeout', 'idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')
THEN set_config(name, '0', false) IS NULL END`

// connection returns what names a database to a program: a name alone may be taken for a
// URL or a list of settings. A server whose host has vanished is given up after a minute and
// a half, where the kernel would wait for hours.
func connection(database string) string {
	return "dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + "' connect_timeout=30 keepalives_idle=30 keepalives_interval=10 keepalives_count=6"
}

// program finds one of Postgres where the database image's entrypoint finds the server:
// the first of the PATH may be of another version. It takes the place of the shell: an
// orphan would become a child of Postgres, which starts anew when one is killed. What it
// says itself is in English, whatever the image's language.
func program(name string, args ...string) []string {
	find := `LC_ALL=C PATH="/usr/lib/postgresql/${PG_MAJOR:-none}/bin:/usr/local/postgres/bin:$PATH" exec "$0" "$@"`
	return append([]string{"sh", "-c", find, name}, args...)
}

func (s Server) version(ctx context.Context) (string, error) {
	lines, err := s.query(ctx, s.maintenance(), "SHOW server_version;\n")
	if err != nil {
		return "", err
	}
	return lines[0], nil
}
