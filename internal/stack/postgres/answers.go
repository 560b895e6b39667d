package postgres

import (
	"context"
	"slices"

	"github.com/tale-project/tale-runtime/internal/net/netcause"
	"github.com/tale-project/tale-runtime/internal/stack/pglogin"
)

// Answers returns why a server answers nobody, nil if it does, or if it refuses this login alone,
// as when all connections are taken. It logs in beside a backend that runs: it takes no lock and
// reads no table.
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
	if failed := l.classify(err); slices.Contains([]cause{causeDNS, causeRefused, causeTimeout, causeSilent}, failed.Cause) {
		return failed
	}
	return nil
}
