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

// tableOf is a table of a component; "" is the app.
type tableOf struct{ component, table string }

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

// countIndexed sums up how many documents the unfinished backfills of the tables
// have read, and how many there are.
func (c *Client) countIndexed(ctx context.Context, tables []tableOf) (documents, total int64, err error) {
	ids, err := c.componentIDs(ctx)
	if err != nil {
		return 0, 0, err
	}
	for _, at := range tables {
		var indexes []struct {
			Staged   bool `json:"staged"`
			Backfill struct {
				State string `json:"state"`
				Stats *struct {
					Indexed float64  `json:"numDocsIndexed"`
					Total   *float64 `json:"totalDocs"`
				} `json:"stats"`
			} `json:"backfill"`
		}
		namespace, known := ids[at.component]
		if !known {
			continue // a component that is not there yet has no documents
		}
		args := map[string]any{"tableName": at.table, "tableNamespace": namespace}
		if err := c.systemQuery(ctx, "_system/frontend/indexes", args, &indexes); err != nil {
			return 0, 0, err
		}
		for _, index := range indexes {
			if stats := index.Backfill.Stats; stats != nil && !index.Staged {
				documents += int64(stats.Indexed)
				if stats.Total != nil {
					total += int64(*stats.Total)
				}
			}
		}
	}
	return documents, total, nil
}
