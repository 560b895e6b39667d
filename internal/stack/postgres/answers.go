package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// RefusedError is a server that answers, and refuses user and password.
type RefusedError struct{ *loginError }

// Answers returns why a server lets nobody in, as one that is away, silent or starting, or a
// *RefusedError. It returns nil if the server lets this login in or has another reason not to,
// as when all connections are taken. It logs in beside a backend that runs: it takes no lock
// and reads no table.
func (l Login) Answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	conn, _, err := pglogin.Login{Server: l.Server, Database: l.Database, CAFile: l.CAFile, Limit: mostOfALogin}.Connect(ctx)
	if err == nil {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		if _, err = conn.Exec(ctx, "SELECT 1").ReadAll(); err == nil {
			return nil
		}
		err = netcause.Connected(err)
	}
	switch failed := l.classify(err); {
	case failed.Cause == causeLogin:
		return &RefusedError{failed}
	case slices.Contains([]cause{causeDNS, causeRefused, causeTimeout, causeSilent, causeNetwork, causeStarting}, failed.Cause), poolerIsAlone(err):
		return failed
	}
	return nil
}

// poolerIsAlone reports whether an error is that of a pooler that gets no connection of the server.
// PgBouncer says so, as it says that it is full itself, with the code of a violated protocol.
func poolerIsAlone(err error) bool {
	said, ok := errors.AsType[*pgconn.PgError](err)
	return ok && said.Code == "08P01" && slices.ContainsFunc([]string{"server login", "cannot connect", "server conn crashed", "server DNS lookup failed"}, func(word string) bool { return strings.Contains(said.Message, word) })
}
