package console

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// Table returns rows whose cells stand in columns.
func Table(rows [][]string) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(table, strings.Join(row, "\t")) // into memory
	}
	_ = table.Flush() // likewise
	return text.String()
}
