package routes

import (
	"slices"
	"testing"
)

// everyTable returns a table for each way in which one can differ.
func everyTable() (tables []Table) {
	for i := range 16 {
		t := Table{SitePort: i&1 != 0, Metrics: i&2 != 0}
		if i&4 != 0 {
			t.Base = "/tale"
		}
		if i&8 != 0 {
			t.Only = []string{"192.0.2.0/24"}
		}
		tables = append(tables, t)
	}
	return tables
}

func TestRowsAreInOrderAndTheLastTakesTheRest(t *testing.T) {
	for _, table := range everyTable() {
		rows := table.Rows()
		if !slices.IsSortedFunc(rows, func(a, b Row) int { return a.Row - b.Row }) {
			t.Errorf("%+v: rows are out of order", table)
		}
		for i, row := range rows {
			if last := i == len(rows)-1; last != (len(row.Paths) == 0) {
				t.Errorf("%+v: row %d takes %v", table, row.Row, row.Paths)
			}
		}
	}
}

func TestEveryRowHasOneTarget(t *testing.T) {
	for _, table := range everyTable() {
		for _, row := range table.Rows() {
			targets := 0
			for _, is := range []bool{row.To.Upstream != "", row.To.Location != "", row.To.Health, row.To.Status != 0} {
				if is {
					targets++
				}
			}
			if targets != 1 {
				t.Errorf("%+v: row %d for %v has %d targets", table, row.Row, row.Paths, targets)
			}
		}
	}
}

func TestOnlyTheSettingsOpenRows(t *testing.T) {
	has := func(table Table, is func(Row) bool) bool { return slices.ContainsFunc(table.Rows(), is) }
	for _, table := range everyTable() {
		for name, check := range map[string]struct{ got, want bool }{
			"the metrics token":    {has(table, func(r Row) bool { return r.Token }), table.Metrics},
			"networks":             {has(table, func(r Row) bool { return len(r.Only) > 0 }), len(table.Only) > 0},
			"admin keys":           {has(table, func(r Row) bool { return r.AdminKey }), len(table.Only) > 0},
			"the HTTP-action port": {has(table, func(r Row) bool { return r.To.Upstream == SitePort }), table.SitePort},
		} {
			if check.got != check.want {
				t.Errorf("%+v: rows by %s: %v, want %v", table, name, check.got, check.want)
			}
		}
	}
}
