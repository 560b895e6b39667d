package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

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
		err := s.named().run(ctx, psql(database), engine.Streams{In: in, Out: engine.Lines(func(line string) { c.lines <- line })})
		if err == nil {
			err = errors.New("psql has ended")
		}
		c.ended <- err
		_ = in.CloseWithError(err)
	}()
	if _, err := c.ask(ctx, "SELECT 1;"); err != nil {
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
	_, err := s.query(ctx, s.maintenance(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "+literal(s.application())+" AND usename = current_user;\n")
	return err
}
