// Package database makes the databases of a stack on a Postgres server, applies SQL
// migrations to them and looks into them, with nothing but a login: no psql, no superuser
// where the server has the rest. Which server that is, and how it is reached, says the
// caller; what the databases consist of is in images/db, for the database image as well.
package database

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// patience is how long a server may take for a login, and for what it has in memory.
const patience = 15 * time.Second

// Target is a server and how it is reached.
type Target struct {
	Server stack.Postgres
	CAFile string
	Dial   pgconn.DialFunc // nil: from this machine
	Place  string          // for messages, "" for the server's address
}

func (t Target) place() string {
	if t.Place != "" {
		return t.Place
	}
	return "Postgres at " + t.Server.Address()
}

// User returns who logs in.
func (t Target) User() string { return t.Server.URL.User.Username() }

// connection is a login to one database.
type connection struct {
	*pgconn.PgConn
	target   Target
	database string
	tls      bool
	warnings []string // since they were last taken
}

// connect logs in. The caller closes.
func (t Target) connect(ctx context.Context, database string) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := &connection{target: t, database: database}
	login := pglogin.Login{
		Server: t.Server, Database: database, CAFile: t.CAFile, Dial: t.Dial, Cancel: true,
		// As lib/pq sets it, which dbmate talks with: what literals mean depends on it.
		Parameters: map[string]string{"client_encoding": "UTF8", "datestyle": "ISO, MDY", "application_name": "tale"},
		OnNotice: func(_ *pgconn.PgConn, notice *pgconn.Notice) {
			if notice.Severity == "WARNING" {
				c.warnings = append(c.warnings, notice.Message)
			}
		},
	}
	var err error
	if c.PgConn, c.tls, err = login.Connect(ctx); err != nil {
		return nil, t.failed(ctx, database, err)
	}
	return c, nil
}

// close ends the session, also after an interrupt. The server frees a lock a moment after
// the end of its session, so that it is given back before.
func (c *connection) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if !c.IsClosed() && c.TxStatus() == 'I' {
		_, _ = c.rows(ctx, "SELECT pg_advisory_unlock_all()")
	}
	_ = c.Close(ctx) // a session that cannot say goodbye ends with its connection
}

// takeWarnings returns what the server has warned of since it was last asked.
func (c *connection) takeWarnings() []string {
	warnings := c.warnings
	c.warnings = nil
	return warnings
}

// rows asks a question. NULL is "".
func (c *connection) rows(ctx context.Context, question string, arguments ...string) ([][]string, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	values := make([][]byte, len(arguments))
	for i, argument := range arguments {
		values[i] = []byte(argument)
	}
	result := c.ExecParams(limited, question, values, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, c.target.failed(ctx, c.database, netcause.Connected(result.Err))
	}
	rows := make([][]string, len(result.Rows))
	for i, row := range result.Rows {
		for _, value := range row {
			rows[i] = append(rows[i], string(value))
		}
	}
	return rows, nil
}

// value asks a question that has one answer.
func (c *connection) value(ctx context.Context, question string, arguments ...string) (string, error) {
	rows, err := c.rows(ctx, question, arguments...)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0][0], nil
}

// errCopies is COPY between the server and its client, which has no file here.
var errCopies = errors.New("COPY FROM STDIN and COPY TO STDOUT have no file to read or write here; use INSERT, or a path on the server")

// run executes statements as one simple query, which is how psql's -c and dbmate send a
// text, and returns their command tags. The server's word is a *pgconn.PgError.
func (c *connection) run(ctx context.Context, statements string) (tags []string, err error) {
	// What does not fit into the buffers of a server that hangs is not waited for.
	defer context.AfterFunc(ctx, func() { _ = c.Conn().SetWriteDeadline(time.Now().Add(patience)) })()
	c.Frontend().SendQuery(&pgproto3.Query{String: statements})
	if err := c.Frontend().Flush(); err != nil {
		return nil, err
	}
	for {
		message, receiving := c.ReceiveMessage(ctx)
		if receiving != nil {
			return tags, errors.Join(err, receiving)
		}
		switch message := message.(type) {
		case *pgproto3.CommandComplete:
			tags = append(tags, string(message.CommandTag))
		case *pgproto3.ErrorResponse:
			if err == nil {
				err = pgconn.ErrorResponseToPgError(message)
			}
		case *pgproto3.CopyInResponse:
			c.Frontend().Send(&pgproto3.CopyFail{Message: errCopies.Error()})
			if err := c.Frontend().Flush(); err != nil {
				return tags, err
			}
		case *pgproto3.CopyOutResponse:
			err = errCopies
		case *pgproto3.ReadyForQuery:
			return tags, err
		}
	}
}

// quote returns a name as an identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
