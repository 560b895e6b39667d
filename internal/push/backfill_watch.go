package push

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// backfillPoll is how often the documents of a running backfill are counted. The
// backend's own answers about indexes count whole indexes, and one of a large
// table can take longer than any limit.
const backfillPoll = 5 * time.Second

// watchBackfill counts documents while the backend builds indexes, every so often
// until ctx ends. It needs a system query of the dashboard; a backend that has none just
// leaves us with the count of indexes.
func watchBackfill(ctx context.Context, log *slog.Logger, client *Client, t *trace, every time.Duration) {
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
		documents, total, err := client.countIndexed(ctx, tables)
		if err != nil {
			log.Debug("the backend does not tell how many documents are indexed", slog.Any("error", err))
			return
		}
		t.documentsIndexed(documents, total)
	}
}

// tablesBeingIndexed are the tables to which the push adds indexes, while the
// backend has not finished them.
func (t *trace) tablesBeingIndexed() []tableOf {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != StageWaitForSchema || !t.progress.waiting() {
		return nil
	}
	seen := map[tableOf]bool{}
	var tables []tableOf
	for _, index := range t.indexes {
		table, _, _ := strings.Cut(index.name, ".")
		if at := (tableOf{index.component, table}); !seen[at] {
			seen[at] = true
			tables = append(tables, at)
		}
	}
	return tables
}
