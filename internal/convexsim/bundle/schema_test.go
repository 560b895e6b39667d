package bundle

import (
	"encoding/json"
	"os"
	"testing"
)

func TestTablesAndIndexesAreReadFromTheBundle(t *testing.T) {
	const notes = `"notes","indexes":[{"fields":["author"],"name":"notes.by_author","type":"database"},` +
		`{"filterFields":["author"],"name":"notes.search_body","searchField":"body","type":"search"},` +
		`{"dimensions":8,"filterFields":[],"name":"notes.by_embedding","type":"vector","vectorField":"embedding"}]`
	minified, err := os.ReadFile("../testdata/schema.js")
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ source, want string }{
		"minified library": {string(minified),
			`[{"name":` + notes + `},{"name":"users","indexes":[{"fields":["email"],"name":"users.by_email","type":"database"}]}]`},
		"plain, by variable": {`var t = defineTable({ a: v.string() }).index("by_a", ["a", "b"]);
			var other = defineTable(v.any()); var s = defineSchema({ "my_table": t, other });`,
			`[{"name":"my_table","indexes":[{"fields":["a","b"],"name":"my_table.by_a","type":"database"}]},{"name":"other"}]`},
		"staged, over lines, with comments": {`export default defineSchema({
			a: defineTable({ // ) unbalanced in a comment
				b: v.union(v.literal(")"), v.literal('(')), /* ( */
			})
				// an index
				.index("by_b", {
					fields: ["b"], staged: true })
				.searchIndex("s", { searchField: 'b' })
				.vectorIndex("v", { vectorField: "e", dimensions: SIZE }),
		})`,
			`[{"name":"a","indexes":[{"fields":["b"],"name":"a.by_b","staged":true,"type":"database"},` +
				`{"filterFields":[],"name":"a.s","searchField":"b","type":"search"},` +
				`{"dimensions":1536,"filterFields":[],"name":"a.v","type":"vector","vectorField":"e"}]}]`},
		"no schema":     {`var a = 1;`, `null`},
		"never ending":  {`x({ a: defineTable({`, `[{"name":"a"}]`},
		"other methods": {`x({ a: defineTable({}).index(name, ["a"]).self() })`, `[{"name":"a"}]`},
	}
	for name, c := range cases {
		got, err := json.Marshal(Tables(c.source))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

func TestIndexDiff(t *testing.T) {
	table := func(indexes ...Index) []Table { return []Table{{Name: "t", Indexes: indexes}} }
	a := Index{Name: "t.a", Type: "database", Fields: []string{"a"}}
	b := Index{Name: "t.b", Type: "database", Fields: []string{"b"}}
	staged := a
	staged.Staged = true
	other := a
	other.Fields = []string{"z"}
	for name, c := range map[string]struct {
		before, after []Table
		want          [4]int // added, removed, enabled, disabled
	}{
		"new":      {nil, table(a, b), [4]int{2, 0, 0, 0}},
		"same":     {table(a), table(a), [4]int{}},
		"gone":     {table(a, b), table(a), [4]int{0, 1, 0, 0}},
		"changed":  {table(a), table(other), [4]int{1, 1, 0, 0}},
		"enabled":  {table(staged), table(a), [4]int{0, 0, 1, 0}},
		"disabled": {table(a), table(staged), [4]int{0, 0, 0, 1}},
	} {
		diff := DiffIndexes(c.before, c.after)
		if got := [4]int{len(diff.Added), len(diff.Removed), len(diff.Enabled), len(diff.Disabled)}; got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
