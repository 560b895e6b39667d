package bundle

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Table is a table of a schema with its indexes.
type Table struct {
	Name    string  `json:"name"`
	Indexes []Index `json:"indexes,omitempty"`
}

// Index is an index of a table in the form that the push protocol has.
type Index struct {
	Name         string   `json:"name"` // "table.index"
	Type         string   `json:"type"` // "database", "search" or "vector"
	Fields       []string `json:"fields,omitempty"`
	SearchField  string   `json:"searchField,omitempty"`
	VectorField  string   `json:"vectorField,omitempty"`
	Dimensions   int      `json:"dimensions,omitempty"`
	FilterFields []string `json:"filterFields,omitempty"`
	Staged       bool     `json:"staged,omitempty"`
}

// MarshalJSON writes the fields that the index's type has, even when empty.
func (i Index) MarshalJSON() ([]byte, error) { return json.Marshal(i.Object()) }

// Object returns the fields that the index's type has.
func (i Index) Object() map[string]any {
	object := map[string]any{"name": i.Name, "type": i.Type}
	switch i.Type {
	case "search":
		object["searchField"], object["filterFields"] = i.SearchField, NotNil(i.FilterFields)
	case "vector":
		object["vectorField"], object["dimensions"], object["filterFields"] = i.VectorField, i.Dimensions, NotNil(i.FilterFields)
	default:
		object["fields"] = NotNil(i.Fields)
	}
	if i.Staged {
		object["staged"] = true
	}
	return object
}

// NotNil makes an empty list of no list: the protocol has no null there.
func NotNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

var (
	assignedName = regexp.MustCompile(`(?:([\w$]+)|"([^"]+)"|'([^']+)')\s*([:=])\s*$`)
	methodCall   = regexp.MustCompile(`^\.\s*([\w$]+)\s*\(`)
	stringList   = regexp.MustCompile(`\[([^\]]*)\]`)
	quotedString = regexp.MustCompile(`["']([^"']+)["']`)
	searchField  = regexp.MustCompile(`\bsearchField\s*:\s*["']([^"']+)["']`)
	vectorField  = regexp.MustCompile(`\bvectorField\s*:\s*["']([^"']+)["']`)
	dimensions   = regexp.MustCompile(`\bdimensions\s*:\s*(\d+)`)
	filterFields = regexp.MustCompile(`(?s)\bfilterFields\s*:\s*\[([^\]]*)\]`)
	stagedIndex  = regexp.MustCompile(`\bstaged\s*:\s*(?:true|!0)`)
)

// unknownDimensions stands for the size of a vector index that the schema does
// not write as a number.
const unknownDimensions = 1536

// Tables reads the tables of a bundled schema module.
func Tables(source string) []Table {
	var tables []Table
	for _, call := range CallsOf(source, LocalNames(source, "defineTable")) {
		name := tableName(source, call[0])
		if name == "" || strings.HasPrefix(name, "_") {
			continue // not a table of a schema, or one of the system's
		}
		if slices.ContainsFunc(tables, func(t Table) bool { return t.Name == name }) {
			continue
		}
		tables = append(tables, Table{Name: name, Indexes: indexesOf(source, name, Closing(source, call[1]))})
	}
	slices.SortFunc(tables, func(a, b Table) int { return strings.Compare(a.Name, b.Name) })
	return tables
}

// tableName returns the key that a table definition stands at, directly or by way of
// a variable.
func tableName(source string, at int) string {
	match := assignedName.FindStringSubmatch(source[max(0, at-200):at])
	if match == nil {
		return ""
	}
	name := match[1] + match[2] + match[3]
	if match[4] == ":" {
		return name
	}
	key := regexp.MustCompile(`(?:([\w$]+)|"([^"]+)")\s*:\s*` + regexp.QuoteMeta(name) + `\s*[,}]`)
	if used := key.FindStringSubmatch(source[at:]); used != nil {
		return used[1] + used[2]
	}
	if shorthand := regexp.MustCompile(`[{,]\s*` + regexp.QuoteMeta(name) + `\s*[,}]`); shorthand.MatchString(source[at:]) {
		return name
	}
	return ""
}

// indexesOf reads the calls that are chained to a table definition.
func indexesOf(source, table string, at int) []Index {
	var indexes []Index
	for at >= 0 && at < len(source) {
		at = skipBlank(source, at)
		call := methodCall.FindStringSubmatchIndex(source[at:])
		if call == nil {
			break
		}
		method, open := source[at+call[2]:at+call[3]], at+call[1]-1
		end := Closing(source, open)
		if end < 0 {
			break
		}
		if index, ok := indexOf(table, method, source[open+1:end-1]); ok {
			indexes = append(indexes, index)
		}
		at = end
	}
	return indexes
}

func indexOf(table, method, arguments string) (Index, bool) {
	kind := indexKind(method)
	name := StringArg.FindStringSubmatch(arguments)
	if kind == "" || name == nil {
		return Index{}, false
	}
	index := Index{Name: table + "." + name[1], Type: kind, Staged: stagedIndex.MatchString(arguments)}
	if kind == "database" {
		index.Fields = quotedStrings(First(stringList, arguments[len(name[0]):]))
		return index, true
	}
	index.SearchField = First(searchField, arguments)
	index.VectorField = First(vectorField, arguments)
	index.FilterFields = quotedStrings(First(filterFields, arguments))
	if kind == "vector" {
		index.Dimensions = unknownDimensions
		if size, err := strconv.Atoi(First(dimensions, arguments)); err == nil {
			index.Dimensions = size
		}
	}
	return index, true
}

// indexKind returns the type of index that a method of a table definition adds.
func indexKind(method string) string {
	switch method {
	case "index":
		return "database"
	case "searchIndex":
		return "search"
	case "vectorIndex":
		return "vector"
	}
	return ""
}

// First returns the first group of the first match, or nothing.
func First(pattern *regexp.Regexp, text string) string {
	if match := pattern.FindStringSubmatch(text); match != nil {
		return match[1]
	}
	return ""
}

func quotedStrings(list string) []string {
	values := []string{}
	for _, match := range quotedString.FindAllStringSubmatch(list, -1) {
		values = append(values, match[1])
	}
	return values
}
