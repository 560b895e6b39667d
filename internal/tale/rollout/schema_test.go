package rollout_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

const docs = "../../../docs/"

// definition is the part of a JSON schema that says what an object or a value may be.
type definition struct {
	Reference  string                `json:"$ref"`
	Type       string                `json:"type"`
	Const      any                   `json:"const"`
	Enum       []string              `json:"enum"`
	Items      *definition           `json:"items"`
	Properties map[string]definition `json:"properties"`
	Required   []string              `json:"required"`
	Defs       map[string]definition `json:"$defs"`
}

// TestPlansAreAsTheirSchemaSays compares each member of a plan's JSON with the schema, in
// both directions: its name, its type, and whether it is always there.
func TestPlansAreAsTheirSchemaSays(t *testing.T) {
	schema := planSchema(t)
	described := map[string]bool{}
	var compare func(reflect.Type)
	compare = func(of reflect.Type) {
		described[of.Name()] = true
		object := schema.Defs[of.Name()]
		members := membersOf(of)
		if got, want := slices.Sorted(maps.Keys(object.Properties)), slices.Sorted(maps.Keys(members)); !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v, the plan %v", of.Name(), got, want)
		}
		var always []string
		for name, field := range members {
			if !strings.Contains(field.Tag.Get("json"), ",omitempty") {
				always = append(always, name)
			}
			checkType(t, of.Name()+"."+name, object.Properties[name], field.Type)
			if inner := element(field.Type); inner.Kind() == reflect.Struct && !described[inner.Name()] {
				compare(inner)
			}
		}
		slices.Sort(always)
		if required := slices.Sorted(slices.Values(object.Required)); !slices.Equal(required, always) {
			t.Errorf("%s: the schema requires %v, always there are %v", of.Name(), required, always)
		}
	}
	compare(reflect.TypeFor[rollout.Plan]())
	for name := range schema.Defs {
		if !described[name] {
			t.Errorf("the schema describes %s, which no plan has", name)
		}
	}
	if schema.Reference != "#/$defs/Plan" {
		t.Errorf("the schema is of %s", schema.Reference)
	}
	number := any(float64(rollout.NewPlan(rollout.State{}, rollout.Target{}).Schema))
	if described := schema.Defs["Plan"].Properties["schema"].Const; described != number {
		t.Errorf("the schema is of version %v, plans are of %v", described, number)
	}
}

// TestPlansHaveListsAndNoNulls: what reads a plan need not tell one from the other.
func TestPlansHaveListsAndNoNulls(t *testing.T) {
	text, err := json.Marshal(rollout.NewPlan(rollout.State{}, rollout.Target{}))
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestSchemaHasEveryAction(t *testing.T) {
	got := slices.Sorted(slices.Values(planSchema(t).Defs["Change"].Properties["action"].Enum))
	if want := constants(t, "plan.go", "Action"); !slices.Equal(got, want) {
		t.Errorf("the schema has the actions %v, the code %v", got, want)
	}
}

// TestDocumentedEventsAreTheEvents compares the tables of the manual's part on JSON
// lines with the members and the kinds of an event.
func TestDocumentedEventsAreTheEvents(t *testing.T) {
	text, err := os.ReadFile(docs + "tale.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n### Events\n")
	if !found {
		t.Fatal("docs/tale.md has no part on events")
	}
	part, _, _ = strings.Cut(part, "\n### ")
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-zA-Z]+)` \\|").FindAllStringSubmatch(part, -1) {
		names = append(names, row[1])
	}
	if got, want := slices.Sorted(slices.Values(names)), slices.Sorted(maps.Keys(membersOf(reflect.TypeFor[rollout.Event]()))); !slices.Equal(got, want) {
		t.Errorf("documented are %v, events have %v", got, want)
	}
	for _, kind := range constants(t, "event.go", "Kind") {
		if !strings.Contains(part, "`"+kind+"`") {
			t.Errorf("the kind %s is not documented", kind)
		}
	}
}

func planSchema(t *testing.T) (schema definition) {
	t.Helper()
	text, err := os.ReadFile(docs + "plan.schema.json")
	if err == nil {
		err = json.Unmarshal(text, &schema)
	}
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// membersOf returns the fields of a struct by their names in JSON.
func membersOf(of reflect.Type) map[string]reflect.StructField {
	members := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(of) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); field.IsExported() {
			members[name] = field
		}
	}
	return members
}

func element(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	return of
}

func checkType(t *testing.T, member string, described definition, of reflect.Type) {
	t.Helper()
	switch of.Kind() {
	case reflect.Slice:
		if described.Type != "array" || described.Items == nil {
			t.Errorf("%s: the schema has no array", member)
			return
		}
		checkType(t, member, *described.Items, of.Elem())
	case reflect.Struct, reflect.Pointer:
		if want := "#/$defs/" + element(of).Name(); described.Reference != want {
			t.Errorf("%s: the schema says %q, want %q", member, described.Reference, want)
		}
	case reflect.Bool:
		if described.Type != "boolean" {
			t.Errorf("%s: the schema says %q, want boolean", member, described.Type)
		}
	case reflect.Int64, reflect.Float64:
		if want := map[reflect.Kind]string{reflect.Int64: "integer", reflect.Float64: "number"}[of.Kind()]; described.Type != want {
			t.Errorf("%s: the schema says %q, want %s", member, described.Type, want)
		}
	case reflect.String:
		if described.Type != "string" && len(described.Enum) == 0 {
			t.Errorf("%s: the schema says %q, want string", member, described.Type)
		}
	default:
		if described.Const == nil {
			t.Errorf("%s: the schema says nothing of a %s", member, of)
		}
	}
}

// constants returns the texts of all constants of a type in a file.
func constants(t *testing.T, name, of string) (texts []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if named, ok := spec.Type.(*ast.Ident); !ok || named.Name != of {
			return true
		}
		for _, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, text)
		}
		return true
	})
	if len(texts) == 0 {
		t.Fatalf("%s has no constants of type %s", name, of)
	}
	slices.Sort(texts)
	return texts
}
