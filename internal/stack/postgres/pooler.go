package postgres

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
)

// SharesConnections reports whether two connections that are open at a time are answered by
// the same process of the server, as behind a pooler in transaction mode.
func (l Login) SharesConnections(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	var seen string
	for range 2 {
		conn, _, err := pglogin.Login{Server: l.Server, Database: l.Database, CAFile: l.CAFile, Limit: mostOfALogin}.Connect(ctx)
		if err != nil {
			return false // the wait before has said what there is to say of logins
		}
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		process := serverProcess(ctx, conn)
		if process == "" || process == seen {
			return process != ""
		}
		seen = process
	}
	return false
}

// serverProcess returns the id of the process that answers, "" when none is known.
func serverProcess(ctx context.Context, conn *pgconn.PgConn) string {
	results, err := conn.Exec(ctx, "SELECT pg_backend_pid()").ReadAll()
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) != 1 {
		return ""
	}
	return string(results[0].Rows[0][0])
}
