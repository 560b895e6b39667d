package backup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// fill makes a database beside the one of its name.
func (r Restore) fill(ctx context.Context, database string, packed io.Reader) error {
	i := slices.IndexFunc(r.Manifest.Databases, func(d Database) bool { return d.Name == database })
	d, as := r.Manifest.Databases[i], beside(database, restoringEnding)
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + name(as) + " WITH (FORCE);\n", d.created(as) + ";\n"} {
		if _, err := r.Server.query(ctx, r.Server.maintenance(), statement); err != nil {
			return err
		}
	}
	ctx, stop := r.watched(ctx)
	defer stop()
	plain, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	in := &untilEnded{from: plain}
	defer func() { in.end(); plain.Close() }()
	restore := program("pg_restore", "--exit-on-error", "--no-owner", "-d", connection(as))
	if err := r.Server.run(ctx, restore, engine.Streams{In: in}); err != nil {
		return fmt.Errorf("cannot restore the database %s: %w", database, tooNew(err))
	}
	// Without it the first queries are planned blindly. It warns of each catalogue that only
	// a superuser may analyze.
	if _, err := r.Server.query(ctx, as, "SET client_min_messages TO error; ANALYZE;\n"); err != nil {
		return err
	}
	return r.complete(ctx, d, as)
}

// tooNew says what mends that a server does not know what a newer pg_restore sets.
func tooNew(err error) error {
	if !strings.Contains(err.Error(), "unrecognized configuration parameter") {
		return err
	}
	return exit.Errorf(exit.Config, "pg_restore of the stack's database image is newer than the server, which does not know what it sets: name an image of the server's version for \"db\" under images of tale.json, also where the database is elsewhere, and `docker pull` it: %w", err)
}

// complete gives a database what no dump has, and marks it as restored in full.
func (r Restore) complete(ctx context.Context, d Database, as string) error {
	return r.Server.transaction(ctx, append(d.properties(as), d.marked(as, r.Run))...)
}

// untilEnded is a reader for a program, which may end before all is read: what it reads
// from is not read any more after end.
type untilEnded struct {
	mu   sync.Mutex
	from io.Reader
}

func (u *untilEnded) Read(into []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.from.Read(into)
}

func (u *untilEnded) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.from = bytes.NewReader(nil)
}
