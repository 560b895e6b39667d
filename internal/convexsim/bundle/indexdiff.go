package bundle

import "slices"

// IndexDiff is what a schema changes about the indexes of a component.
type IndexDiff struct {
	Added    []Index `json:"added_indexes"`
	Removed  []Index `json:"removed_indexes"`
	Enabled  []Index `json:"enabled_indexes"`
	Disabled []Index `json:"disabled_indexes"`
}

// DiffIndexes compares the tables of two schemas. An index that changed is both
// removed and added.
func DiffIndexes(before, after []Table) IndexDiff {
	diff := IndexDiff{Added: []Index{}, Removed: []Index{}, Enabled: []Index{}, Disabled: []Index{}}
	was, is := AllIndexes(before), AllIndexes(after)
	for _, index := range is {
		old, existed := findIndex(was, index.Name)
		switch {
		case !existed || !old.same(index):
			diff.Added = append(diff.Added, index)
		case old.Staged && !index.Staged:
			diff.Enabled = append(diff.Enabled, index)
		case !old.Staged && index.Staged:
			diff.Disabled = append(diff.Disabled, index)
		}
	}
	for _, index := range was {
		if still, exists := findIndex(is, index.Name); !exists || !still.same(index) {
			diff.Removed = append(diff.Removed, index)
		}
	}
	return diff
}

// same reports whether two indexes hold the same, staged or not.
func (i Index) same(other Index) bool {
	return i.Type == other.Type && i.SearchField == other.SearchField && i.VectorField == other.VectorField &&
		i.Dimensions == other.Dimensions && slices.Equal(i.Fields, other.Fields) && slices.Equal(i.FilterFields, other.FilterFields)
}

// AllIndexes returns the indexes of all tables.
func AllIndexes(tables []Table) []Index {
	var all []Index
	for _, table := range tables {
		all = append(all, table.Indexes...)
	}
	return all
}

func findIndex(indexes []Index, name string) (Index, bool) {
	at := slices.IndexFunc(indexes, func(i Index) bool { return i.Name == name })
	if at < 0 {
		return Index{}, false
	}
	return indexes[at], true
}
