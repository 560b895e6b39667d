package database

import (
	"context"
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// lockKey is that of the advisory lock which every command takes in the database that it
// changes: "tale" in ASCII. A lock ends with its session.
const lockKey = "1952541797"

const (
	lockPoll = 300 * time.Millisecond
	// lockGrace is how long a lock is waited for in any case: a server notices the end of a
	// killed client a moment later.
	lockGrace = 2 * time.Second
	// sayEvery is how often a command says what it waits for.
	sayEvery = 10 * time.Second
)

// lock waits for the lock, until limit has passed. It asks again and again: a question that
// is left waiting would keep CREATE INDEX CONCURRENTLY of the holder waiting in turn.
func (c *connection) lock(ctx context.Context, limit time.Duration, say func(string)) error {
	began, said := time.Now(), time.Time{}
	for {
		got, err := c.value(ctx, "SELECT pg_try_advisory_lock("+lockKey+")")
		if err != nil || got == "t" {
			return err
		}
		holder, err := c.holder(ctx)
		if err != nil {
			return err
		}
		if time.Since(began) >= max(limit, lockGrace) {
			return exit.Errorf(exit.Temporary, "cannot change database %q: %s changes it; wait for it with --wait", c.database, holder)
		}
		if time.Since(began) >= lockGrace && time.Since(said) >= sayEvery {
			said = time.Now()
			say(fmt.Sprintf("waiting for %s, which changes database %q", holder, c.database))
		}
		if !pause.For(ctx, lockPoll) {
			return c.target.failed(ctx, c.database, ctx.Err())
		}
	}
}

// holder says whose the lock is.
func (c *connection) holder(ctx context.Context) (string, error) {
	rows, err := c.rows(ctx, `SELECT a.pid, coalesce(a.usename, ''), coalesce(host(a.client_addr), 'the server itself'), coalesce(date_trunc('second', a.backend_start)::text, '')
		FROM pg_locks l JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.objid = `+lockKey+` AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.granted`)
	if err != nil || len(rows) == 0 {
		return "another tale", err
	}
	return fmt.Sprintf("another tale (process %s of the server, user %s, from %s, since %s)", rows[0][0], rows[0][1], rows[0][2], rows[0][3]), nil
}
