package database

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
)

// silentFor is how many times in a row a server may not answer a new login, one every
// sayEvery, before what runs on it is given up.
const silentFor = 4

// watched returns a context for what may take long on the server. Meanwhile say tells what
// is waited for, as another session sees it, and the context ends when the server does not
// answer any more. The caller stops it.
func (c *connection) watched(parent context.Context, what string, say func(string)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(sayEvery)
		defer tick.Stop()
		began, silent := time.Now(), 0
		answered := began
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			blocked, err := c.target.blocked(ctx, c.database, c.PID())
			since := time.Since(began).Round(time.Second)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				silent, answered = 0, time.Now()
				say(fmt.Sprintf("%s: runs since %s%s", what, since, blocked))
				continue
			}
			say(fmt.Sprintf("%s: runs since %s, and the server does not answer another login: %v", what, since, err))
			if silent++; silent >= silentFor {
				cancel(exit.Errorf(exit.Unavailable, "%s has not answered for %s", c.target.place(), time.Since(answered).Round(time.Second)))
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-done
	}
}

// blocked says what a session waits for, "" if it works.
func (t Target) blocked(ctx context.Context, database string, pid uint32) (string, error) {
	c, err := t.connect(ctx, database)
	if err != nil {
		return "", err
	}
	defer c.close(ctx)
	rows, err := c.rows(ctx, `SELECT pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, ''), coalesce(left(query, 60), '')
		FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids($1::int))`, strconv.FormatUint(uint64(pid), 10))
	if err != nil || len(rows) == 0 {
		return "", err
	}
	var holders []string
	for _, row := range rows {
		holders = append(holders, fmt.Sprintf("process %s (user %s, %s, %s: %s)", row[0], row[1], row[2], row[3], strings.Join(strings.Fields(row[4]), " ")))
	}
	return "; it waits for a lock of " + strings.Join(holders, ", "), nil
}
