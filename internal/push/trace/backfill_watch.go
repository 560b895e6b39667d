package trace

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// BackfillPoll is how often the documents of a running backfill are counted. The
// backend's own answers about indexes count whole indexes, and one of a large
// table can take longer than any limit.
const BackfillPoll = 5 * time.Second

// WatchBackfill counts documents while the backend builds indexes, every so often
// until ctx ends. It needs a system query of the dashboard; a backend that has none just
// leaves the count of indexes.
func WatchBackfill(ctx context.Context, log *slog.Logger, client *backend.Client, t *Trace, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		tables := t.tablesBeingIndexed()
		if len(tables) == 0 {
			continue
		}
		documents, total, err := client.CountIndexed(ctx, tables)
		if err != nil {
			log.Debug("cannot count the indexed documents; only whole indexes are progress now", "error", err)
			return
		}
		t.documentsIndexed(documents, total)
	}
}

// tablesBeingIndexed returns the tables to which the push adds indexes, while the
// backend has not finished them.
func (t *Trace) tablesBeingIndexed() []backend.Table {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != backend.StageWaitForSchema || !t.progress.waiting() {
		return nil
	}
	seen := map[backend.Table]bool{}
	var tables []backend.Table
	for _, index := range t.indexes {
		table, _, _ := strings.Cut(index.Name, ".")
		if at := (backend.Table{Component: index.Component, Table: table}); !seen[at] {
			seen[at] = true
			tables = append(tables, at)
		}
	}
	return tables
}
