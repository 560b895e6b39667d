package backend

import "context"

// Table is a table of a component; "" is the app.
type Table struct{ Component, Table string }

// CountIndexed sums up how many documents the unfinished backfills of the tables
// have read, and how many there are.
func (c *Client) CountIndexed(ctx context.Context, tables []Table) (documents, total int64, err error) {
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
		namespace, known := ids[at.Component]
		if !known {
			continue // a component that is not there yet has no documents
		}
		args := map[string]any{"tableName": at.Table, "tableNamespace": namespace}
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
