package caddyconf

import (
	"net/http"

	"github.com/tale-project/tale-runtime/internal/proxy/routes"
	"github.com/tale-project/tale-runtime/internal/proxy/snippets"
	"github.com/tale-project/tale-runtime/internal/proxy/target"
)

// closedRows returns the rows of the public server, in the order in which they are
// tried, with a word on which must not be reached in another row's name.
func (b *builder) closedRows() []target.Row {
	base := b.site.Base
	table := b.table.Rows()
	var rows []target.Row
	for _, row := range table {
		if row.Bare && base != "" {
			rows = append(rows, forTarget(row, ""))
		}
	}
	if base != "" {
		rows = append(rows, target.Row{Paths: twiceUnder(base), Closed: true, Sure: true})
	}
	for _, row := range table {
		if len(row.Paths) > 0 {
			rows = append(rows, forTarget(row, base))
		}
	}
	if paths := snippets.Paths(b.own, base); len(paths) > 0 {
		rows = append(rows, target.Row{Paths: paths, Closed: true})
	}
	return rows
}

// forTarget returns the row under a prefix. A redirect is not closed: where it leads,
// the request comes in again.
func forTarget(r routes.Row, base string) target.Row {
	row := target.Row{
		Closed: len(r.Only) > 0 || r.Token || r.To.Status >= http.StatusBadRequest,
		Sure:   r.Query == "" && r.Authorization == "" && !r.AdminKey && !r.Token,
	}
	for _, path := range r.Paths {
		row.Paths = append(row.Paths, base+path)
	}
	return row
}

// twiceUnder returns the paths from which both the proxy and an application that
// knows the base path could take it off. Some do so without looking where the
// segment ends, and would find the metrics.
func twiceUnder(base string) []string {
	return []string{base + base, base + base + "/*", base + base + "metrics", base + base + "metrics/*"}
}
