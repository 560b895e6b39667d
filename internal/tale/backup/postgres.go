package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// Server is a Postgres server, and where its own programs run.
type Server struct {
	Engine    *engine.Engine
	Project   string            // id
	Container string            // that has psql, pg_dump and pg_restore
	Environ   map[string]string // PGUSER and so on
}

// maintenance is the database that is connected to where another one is the matter.
const maintenance = "postgres"

// query runs statements and returns what they print, a row a line.
func (s Server) query(ctx context.Context, database, statements string) ([]string, error) {
	var out bytes.Buffer
	err := s.run(ctx, psql(database), engine.Streams{In: strings.NewReader(statements), Out: &out})
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
	return s.Engine.Stream(ctx, s.Container, psql(maintenance), s.Environ, engine.Streams{In: strings.NewReader("SELECT 1;\n")}) == nil
}

// await waits until the server answers, but no longer than restarting.
func (s Server) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, restarting)
	defer cancel()
	for !s.answers(ctx) {
		select {
		case <-time.After(250 * time.Millisecond):
		case <-ctx.Done():
			return
		}
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
	_, err := s.query(ctx, maintenance, "BEGIN;\n"+strings.Join(statements, ";\n")+";\nCOMMIT;\n")
	return err
}

func psql(database string) []string {
	return program("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", connection(database), "-f", "-")
}

// connection returns what names a database to a program: a name alone may be taken for a
// URL or a list of settings. A server whose host has vanished is given up after a minute and
// a half, where the kernel would wait for hours.
func connection(database string) string {
	return "dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + "' connect_timeout=30 keepalives_idle=30 keepalives_interval=10 keepalives_count=6"
}

// program finds one of Postgres where the database image's entrypoint finds the server:
// the first of the PATH may be of another version. It takes the place of the shell: an
// orphan would become a child of Postgres, which starts anew when one is killed.
func program(name string, args ...string) []string {
	find := `PATH="/usr/lib/postgresql/${PG_MAJOR:-none}/bin:/usr/local/postgres/bin:$PATH" exec "$0" "$@"`
	return append([]string{"sh", "-c", find, name}, args...)
}

const aboutDatabases = `
SELECT json_build_object('name', datname, 'bytes', pg_database_size(d.oid), 'encoding', pg_encoding_to_char(encoding),
  'collate', datcollate, 'ctype', datctype, 'provider', coalesce(to_jsonb(d)->>'datlocprovider', ''),
  'locale', coalesce(to_jsonb(d)->>'datlocale', to_jsonb(d)->>'daticulocale', ''),
  'comment', coalesce(shobj_description(d.oid, 'pg_database'), ''),
  'settings', (SELECT coalesce(json_agg(setting), '[]') FROM pg_db_role_setting s, unnest(setconfig) setting WHERE s.setdatabase = d.oid AND s.setrole = 0),
  'roles', (SELECT coalesce(json_agg(json_build_object('role', CASE rolname WHEN current_user THEN '' ELSE rolname END, 'settings', setconfig) ORDER BY rolname), '[]')
    FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = d.oid))
FROM pg_database d WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname;
`

// databases returns those that hold data of users, and no leftovers of restores.
func (s Server) databases(ctx context.Context) (found []Database, err error) {
	lines, err := s.query(ctx, maintenance, aboutDatabases)
	for _, line := range lines {
		if line == "" {
			continue
		}
		var d Database
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			return nil, fmt.Errorf("cannot read what Postgres says of its databases: %w", err)
		}
		if _, before := endingOfBefore(d.Name); before || strings.HasSuffix(d.Name, restoringEnding) {
			continue
		}
		d.Settings = slices.DeleteFunc(d.Settings, func(setting string) bool { return strings.HasPrefix(setting, restoredSetting+"=") })
		found = append(found, d)
	}
	return found, err
}

func (s Server) version(ctx context.Context) (string, error) {
	lines, err := s.query(ctx, maintenance, "SHOW server_version;\n")
	if err != nil {
		return "", err
	}
	return lines[0], nil
}

// session is a connection that holds a snapshot of a database.
type session struct {
	in     *io.PipeWriter
	lines  chan string
	ended  chan error
	cancel context.CancelFunc
}

// open connects, so that a snapshot is a matter of milliseconds.
func (s Server) open(ctx context.Context, database string) (*session, error) {
	ctx, cancel := context.WithCancel(ctx)
	in, to := io.Pipe()
	c := &session{in: to, lines: make(chan string, 16), ended: make(chan error, 1), cancel: cancel}
	go func() {
		err := s.named().run(ctx, psql(database), engine.Streams{In: in, Out: lineWriter(func(line string) { c.lines <- line })})
		if err == nil {
			err = errors.New("psql has ended")
		}
		c.ended <- err
		_ = in.CloseWithError(err)
	}()
	if _, err := c.ask(ctx, "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; SELECT 1;"); err != nil {
		c.close()
		return nil, fmt.Errorf("cannot connect to the database %s: %w", database, err)
	}
	return c, nil
}

// ask runs a statement that prints one line.
func (c *session) ask(ctx context.Context, statement string) (string, error) {
	if _, err := io.WriteString(c.in, statement+"\n"); err != nil {
		return "", err
	}
	select {
	case line := <-c.lines:
		return line, nil
	case err := <-c.ended:
		return "", err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// snapshot keeps the present moment and returns its name.
func (c *session) snapshot(ctx context.Context) (string, error) {
	return c.ask(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_export_snapshot();")
}

func (c *session) close() {
	_ = c.in.Close()
	c.cancel()
}

// lineWriter passes whole lines on.
func lineWriter(do func(string)) io.Writer {
	return &lines{do: do}
}

type lines struct {
	do   func(string)
	rest []byte
}

func (l *lines) Write(some []byte) (int, error) {
	l.rest = append(l.rest, some...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte{'\n'})
		if !found {
			return len(some), nil
		}
		l.do(string(line))
		l.rest = rest
	}
}

// dump writes a database as it was at a snapshot.
func (s Server) dump(ctx context.Context, database, snapshot string, to io.Writer) error {
	err := s.named().run(ctx, program("pg_dump", "-Fc", "--compress=0", "--snapshot="+snapshot, "-d", connection(database)), engine.Streams{Out: to})
	if err != nil {
		_ = s.endNamed(context.WithoutCancel(ctx)) // or else the next backup does, as soon as the server answers
		return fmt.Errorf("cannot dump the database %s: %w", database, outdated(err))
	}
	return nil
}

// mismatch is how pg_dump ends that is older than its server.
var mismatch = regexp.MustCompile(`server version: (\d+).*; pg_dump version: (\d+)`)

// outdated says what mends that.
func outdated(err error) error {
	if versions := mismatch.FindStringSubmatch(err.Error()); versions != nil {
		return exit.Errorf(exit.Config, "the server is Postgres %s, and pg_dump of the stack's database image is %s, which is older: name an image of Postgres %[1]s for \"db\" under images of tale.json, also where the database is elsewhere, and `docker pull` it", versions[1], versions[2])
	}
	return err
}

// application returns the name by which the server knows the sessions and dumps of a backup.
func (s Server) application() string { return "tale backup of " + s.Project }

// named returns the server for those.
func (s Server) named() Server {
	s.Environ = maps.Clone(s.Environ)
	s.Environ["PGAPPNAME"] = s.application()
	return s
}

// endNamed ends those that no backup reads any more. The engine lets a program go on whose
// client has gone, and the server keeps what has been deleted for its snapshot.
func (s Server) endNamed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	_, err := s.query(ctx, maintenance, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "+literal(s.application())+" AND usename = current_user;\n")
	return err
}

// quote returns a name or a text as SQL has it, between marks.
func quote(text, mark string) string {
	return mark + strings.ReplaceAll(text, mark, mark+mark) + mark
}

func name(text string) string { return quote(text, `"`) }

// literal keeps backslashes as they are, whatever the server is set to.
func literal(text string) string {
	if strings.Contains(text, `\`) {
		return " E" + quote(strings.ReplaceAll(text, `\`, `\\`), "'")
	}
	return quote(text, "'")
}

// created returns the statement that makes an empty database with the same properties.
func (d Database) created(as string) string {
	text := "CREATE DATABASE " + name(as) + " TEMPLATE template0 ENCODING " + literal(d.Encoding) + " LC_COLLATE " + literal(d.Collate) + " LC_CTYPE " + literal(d.Ctype)
	switch d.Provider {
	case "i":
		text += " LOCALE_PROVIDER icu ICU_LOCALE " + literal(d.Locale)
	case "b":
		text += " LOCALE_PROVIDER builtin BUILTIN_LOCALE " + literal(d.Locale)
	}
	return text
}

// lists are the settings whose value is a list that is quoted already.
var lists = []string{"search_path", "local_preload_libraries", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories"}

// properties returns the statements that give a database what no dump says of it.
func (d Database) properties(as string) (statements []string) {
	for _, setting := range d.Settings {
		statements = append(statements, "ALTER DATABASE "+name(as)+" SET "+assigned(setting))
	}
	for _, r := range d.Roles {
		for _, setting := range r.Settings {
			if r.Role == "" {
				statements = append(statements, "ALTER ROLE CURRENT_USER IN DATABASE "+name(as)+" SET "+assigned(setting))
				continue
			}
			// Another server may not have it, or not let this one change it.
			alter := literal("ALTER ROLE " + name(r.Role) + " IN DATABASE " + name(as) + " SET " + assigned(setting))
			statements = append(statements, "DO "+literal("BEGIN EXECUTE "+alter+"; EXCEPTION WHEN undefined_object OR insufficient_privilege THEN RAISE WARNING '%', SQLERRM; END"))
		}
	}
	if d.Comment != "" {
		statements = append(statements, fmt.Sprintf("COMMENT ON DATABASE %s IS %s", name(as), literal(d.Comment)))
	}
	return statements
}

// assigned returns a setting as a statement has it.
func assigned(setting string) string {
	key, value, _ := strings.Cut(setting, "=")
	if !slices.Contains(lists, key) || value == "" {
		value = literal(value)
	}
	return settingName(key) + " TO " + value
}

// settingName quotes the parts of the name of a setting.
func settingName(key string) string {
	parts := strings.Split(key, ".")
	for i := range parts {
		parts[i] = name(parts[i])
	}
	return strings.Join(parts, ".")
}
