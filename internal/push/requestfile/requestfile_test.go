package requestfile

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/push/jsonscan"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

func open(t testing.TB, path string) *File {
	t.Helper()
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func modulesOf(r pushtest.Request) []Module {
	var all []Module
	add := func(component string, role Role, modules ...pushtest.Module) {
		for _, m := range modules {
			all = append(all, Module{Component: component, Role: role, Path: m.Path, Environment: m.Environment, SHA256: m.SHA256()})
		}
	}
	add("", RoleDefinition, *r.AppDefinition.Definition)
	add("", RoleSchema, *r.AppDefinition.Schema)
	add("", RoleFunction, r.AppDefinition.ChangedModules...)
	for _, c := range r.Components {
		add(c.DefinitionPath, RoleDefinition, c.Definition)
		add(c.DefinitionPath, RoleFunction, c.Functions...)
	}
	return all
}

func TestRequestFileFindsEveryModuleAndItsHash(t *testing.T) {
	request := pushtest.NewRequest()
	r := open(t, request.Write(t))
	var got []Module
	content, err := os.ReadFile(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Index.Modules {
		var there pushtest.Module
		if err := json.Unmarshal(content[m.At.Start:m.At.End], &there); err != nil || there.Path != m.Path {
			t.Errorf("%s is not at %v: %v", m.Path, m.At, err)
		}
		m.At = jsonscan.Span{}
		got = append(got, m)
	}
	if want := modulesOf(request); !reflect.DeepEqual(got, want) {
		t.Errorf("modules\n got %+v\nwant %+v", got, want)
	}
}

func TestRequestFileAcceptsAnyLayout(t *testing.T) {
	request := pushtest.NewRequest()
	compact := open(t, request.Write(t))
	pretty, err := json.MarshalIndent(request, "  ", "\t")
	if err != nil {
		t.Fatal(err)
	}
	// Other white space, other escapes, and the fields in the order of a map.
	var anyOrder map[string]any
	if err := json.Unmarshal(pretty, &anyOrder); err != nil {
		t.Fatal(err)
	}
	pretty, err = json.MarshalIndent(anyOrder, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "r.json")
	pushtest.WriteFile(t, path, " \n"+string(pretty)+"\n\n")
	other := open(t, path)
	hashes := func(r *File) map[string]string {
		found := map[string]string{}
		for _, m := range r.Index.Modules {
			found[m.Component+"/"+m.Path] = m.SHA256
		}
		return found
	}
	if got, want := hashes(other), hashes(compact); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestRequestIndexIsUsedOnlyWhileItFits(t *testing.T) {
	path := pushtest.NewRequest().Write(t)
	if r := open(t, path); !strings.Contains(r.IndexNote, "no index") {
		t.Errorf("note %q", r.IndexNote)
	}
	if _, err := WriteIndex(path); err != nil {
		t.Fatal(err)
	}
	indexed := open(t, path)
	if indexed.IndexNote != "" {
		t.Errorf("the fresh index was not used: %s", indexed.IndexNote)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Same length, other content: only the hash can tell.
	pushtest.WriteFile(t, path, strings.Replace(string(content), "export const run", "export const ran", 1))
	stale := open(t, path)
	if !strings.Contains(stale.IndexNote, "stale") {
		t.Errorf("note %q", stale.IndexNote)
	}
	if reflect.DeepEqual(stale.Index.Modules, indexed.Index.Modules) {
		t.Error("the stale index was used")
	}
	pushtest.WriteFile(t, IndexPath(path), "{")
	if r := open(t, path); !strings.Contains(r.IndexNote, "format") {
		t.Errorf("note %q", r.IndexNote)
	}
}

func TestCheckRequest(t *testing.T) {
	change := func(change func(*pushtest.Request)) string {
		r := pushtest.NewRequest()
		change(&r)
		return r.Write(t)
	}
	raw := func(content string) string {
		path := filepath.Join(t.TempDir(), "r.json")
		pushtest.WriteFile(t, path, content)
		return path
	}
	good, err := os.ReadFile(pushtest.NewRequest().Write(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"missing":             {filepath.Join(t.TempDir(), "nothing"), "no such file"},
		"empty":               {raw(""), "ends early"},
		"cut":                 {raw(string(good[:len(good)/2])), "malformed JSON at byte"},
		"two documents":       {raw(string(good) + "{}"), "something follows"},
		"a start_push answer": {raw(`{"environmentVariables":{},"appAuth":[]}`), "not a push request of the convex CLI"},
		"a page":              {raw("<html>"), "malformed JSON at byte 0"},
		"no functions": {change(func(r *pushtest.Request) {
			r.AppDefinition.ChangedModules = nil
			r.AppDefinition.ChangedModules = []pushtest.Module{}
		}), "no functions"},
		"dry run":            {change(func(r *pushtest.Request) { r.DryRun = true }), "--dry-run"},
		"for codegen":        {change(func(r *pushtest.Request) { r.ForCodegen = true }), "code generation"},
		"Node.js 18":         {change(func(r *pushtest.Request) { r.NodeVersion = "18" }), "Node.js 18"},
		"hashes":             {change(func(r *pushtest.Request) { r.AppDefinition.Unchanged = []map[string]any{{"path": "x.js"}} }), "--push-all-modules"},
		"old CLI":            {change(func(r *pushtest.Request) { r.AppDefinition.UDFServerVersion = "1.29.3" }), "the oldest that works is 1.31.6"},
		"no version":         {change(func(r *pushtest.Request) { r.AppDefinition.UDFServerVersion = "new" }), `"new" is not a version`},
		"a module twice":     {change(func(r *pushtest.Request) { r.AppDefinition.ChangedModules[1].Path = "messages.js" }), "the module messages.js twice"},
		"unnamed module":     {change(func(r *pushtest.Request) { r.AppDefinition.ChangedModules[1].Path = "" }), "has no path or no source"},
		"nameless component": {change(func(r *pushtest.Request) { r.Components[0].DefinitionPath = "" }), "no definitionPath"},
	} {
		if _, err := Check(c.path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want something with %q", name, err, c.want)
		}
	}
	got, err := Check(pushtest.NewRequest().Write(t))
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{Path: got.Path, Bytes: got.Bytes, CLIVersion: "1.35.1", Modules: 5, Components: 1, ComponentModules: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheckRequestWarnsOfARealKey(t *testing.T) {
	request := pushtest.NewRequest()
	request.AdminKey = "tale_platform|" + strings.Repeat("0f", 37)
	summary, err := Check(request.Write(t))
	if err != nil || len(summary.Warnings) != 1 {
		t.Fatalf("%+v, %v", summary, err)
	}
	if strings.Contains(fmt.Sprint(summary), "0f0f") {
		t.Error("the warning shows the key")
	}
}
