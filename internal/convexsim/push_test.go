package convexsim_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/deploy2"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
)

func TestConfigHashesListWhatIsActive(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	hashes := object{"version": "1.32.0", "adminKey": s.AdminKey()}
	if got := post(t, s, hashesPath, hashes); got.body != `{"config":{"functions":"convex/"},"moduleHashes":[],"nodeVersion":null,"udfServerVersion":null}` {
		t.Errorf("an empty backend answered %s", got.body)
	}
	push["nodeVersion"] = "22"
	withMap := object{"path": "notes.js", "source": "export {}", "sourceMap": "{}", "environment": "node"}
	deploy(t, s, change(push, object{"changedModules": []object{withMap}}))
	var got struct {
		ModuleHashes []struct{ Path, Hash, Environment string }
		UDF, Node    string
	}
	answer := post(t, s, hashesPath, hashes)
	answer.decode(t, &got)
	at := slices.IndexFunc(got.ModuleHashes, func(m struct{ Path, Hash, Environment string }) bool { return m.Path == "notes.js" })
	want := hashOf(withMap, "node")
	if at < 0 || got.ModuleHashes[at].Hash != want["sha256"] || got.ModuleHashes[at].Environment != "node" {
		t.Errorf("got %s, want the hash %s over source and source map", answer.body, want["sha256"])
	}
	if !strings.Contains(answer.body, `"nodeVersion":"22"`) || !strings.Contains(answer.body, `"udfServerVersion":"1.32.0"`) ||
		len(got.ModuleHashes) != 3 {
		t.Errorf("got %s", answer.body)
	}
}

func TestUnchangedModulesAreTakenFromTheActiveCode(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	notes := function("notes.js", "list")
	unchanged := func(hash object) object {
		return change(push, object{"changedModules": []any{}, "unchangedModuleHashes": []object{hash}})
	}
	good := hashOf(notes, "isolate")
	wantFailure(t, "nothing pushed yet", post(t, s, startPushPath, unchanged(good)), 500, "InternalServerError")
	deploy(t, s, push)
	for code, hash := range map[string]object{
		"MissingExistingModule":      {"path": "gone.js", "environment": "isolate", "sha256": good["sha256"]},
		"ExistingModuleHashConflict": {"path": "notes.js", "environment": "isolate", "sha256": strings.Repeat("0", 64)},
		"ExistingModuleEnvConflict":  {"path": "notes.js", "environment": "node", "sha256": good["sha256"]},
	} {
		for _, path := range []string{startPushPath, evaluatePushPath} {
			got := post(t, s, path, unchanged(hash))
			wantFailure(t, path, got, 409, code)
			if !strings.Contains(got.body, `Hit an error while pushing:\n`) {
				t.Errorf("the message has no prefix: %s", got.body)
			}
		}
	}
	before := s.State().Definitions[""].Modules["notes.js"]
	answer := deploy(t, s, unchanged(good))
	if after := s.State().Definitions[""].Modules["notes.js"]; after.SHA256 != before.SHA256 || len(after.Exports) != 1 {
		t.Errorf("the module became %+v", after)
	}
	removed := size(answer, "componentDiffs", "", "moduleDiff", "removed")
	if _, still := s.State().Definitions[""].Modules["_deps/ABC.js"]; still || removed != 0 {
		t.Errorf("a module that is in neither list is not gone, or dependencies are in the diff: %v", removed)
	}
}

func TestEncodingsOfAPush(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	compressed := brotliOf(t, push)
	success(t, post(t, s, startPushPath, compressed, header("Content-Encoding", "br")))
	success(t, post(t, s, startPushPath, push, header("Content-Encoding", "identity")))
	got := post(t, s, startPushPath, compressed, header("Content-Encoding", "gzip"))
	if got.status != http.StatusUnsupportedMediaType || got.body != "" {
		t.Errorf("gzip got %+v, want an empty 415", got)
	}
	wantFailure(t, "not brotli at all", post(t, s, startPushPath, push, header("Content-Encoding", "br")), 400, "BadJsonBody")
	wantFailure(t, "get_config_hashes does not decompress",
		post(t, s, hashesPath, brotliOf(t, object{"adminKey": s.AdminKey()}), header("Content-Encoding", "br")), 400, "BadJsonBody")
	last := s.Requests()[0]
	if last.Encoding != "br" || last.Bytes != int64(len(compressed)) {
		t.Errorf("logged %+v, want %d bytes of br", last, len(compressed))
	}
}

func TestTheSizeOfAPushCountsDecompressed(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{MaxPushBytes: 100_000})
	push := newPush(s)
	success(t, post(t, s, startPushPath, push))
	large := change(push, object{"changedModules": []object{module("large.js", strings.Repeat("x", 100_000))}})
	compressed := brotliOf(t, large)
	if len(compressed) > 2000 {
		t.Fatalf("%d bytes compressed", len(compressed))
	}
	wantFailure(t, "compressed", post(t, s, startPushPath, compressed, header("Content-Encoding", "br")), 400, "BadJsonBody")
	wantFailure(t, "plain", post(t, s, startPushPath, large), 400, "BadJsonBody")
}

func TestAuthConfigNeedsItsVariables(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	withAuth := change(push, object{"changedModules": []object{module("auth.config.js", authSource)}})
	for _, path := range []string{evaluatePushPath, startPushPath} {
		got := post(t, s, path, withAuth)
		wantFailure(t, path, got, 400, "AuthConfigMissingEnvironmentVariable")
		if !strings.Contains(got.body, `Hit an error while pushing:\nEnvironment variable SITE_URL `) {
			t.Errorf("the client reads the name from the message, which is %s", got.body)
		}
	}
	update(t, s, set("SITE_URL", "https://example.test"))
	answer := deploy(t, s, withAuth)
	if added, _ := dig(answer, "authDiff", "added", 0).(string); !strings.Contains(added, "https://example.test") {
		t.Errorf("authDiff %v", answer["authDiff"])
	}
	wantFailure(t, "deleting a variable in use", update(t, s, set("X", "1"), unset("SITE_URL")), 400, "AuthConfigMissingEnvironmentVariable")
	if _, set := s.State().Environment["X"]; set {
		t.Error("the refused update set X")
	}
	deploy(t, s, push)
	if got := update(t, s, unset("SITE_URL")); got.status != http.StatusOK {
		t.Errorf("without the auth.config it cannot be deleted: %+v", got)
	}
}

func TestBuiltInVariablesSatisfyAnAuthConfig(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	source := strings.ReplaceAll(authSource, "SITE_URL", "CONVEX_SITE_URL")
	mustStart(t, s, change(newPush(s), object{"changedModules": []object{module("auth.config.js", source)}}))
}

func TestWhoMayPush(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	started := mustStart(t, s, newPush(s))
	readOnly := mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{ReadOnly: true})
	systemKey := mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{System: true})
	wrong := mint(t, strings.Repeat("0f", 32), keybroker.Key{})
	for _, path := range []string{hashesPath, evaluatePushPath, startPushPath, waitPath, finishPath, reportPath} {
		with := func(key string) answered {
			body := newPush(s)
			body["adminKey"], body["schemaChange"], body["startPush"], body["spans"] = key, started["schemaChange"], started, []any{}
			return post(t, s, path, body)
		}
		wantFailure(t, path, with(wrong), 401, "BadAdminKey")
		wantFailure(t, path, with(s.AdminKey()+":e30="), 401, "BadAdminKey")
		if path == hashesPath || path == waitPath {
			success(t, with(readOnly))
			success(t, with(systemKey))
			continue
		}
		wantFailure(t, path, with(readOnly), 403, "ReadOnlyAdminKey")
		wantFailure(t, path, with(systemKey), 403, "BadDeployKey")
	}
}

func TestTheHeaderIsIgnoredByPushRoutes(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	success(t, post(t, s, startPushPath, newPush(s), withKey("nonsense")))
}

func TestStartPushInsistsOnItsFields(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	for _, field := range []string{"adminKey", "functions", "appDefinition", "componentDefinitions", "nodeDependencies"} {
		push := newPush(s)
		delete(push, field)
		wantFailure(t, field, post(t, s, startPushPath, push), 400, "BadJsonBody")
	}
	push := newPush(s)
	for name, got := range map[string]answered{
		"not an object": post(t, s, startPushPath, `[]`), "not JSON": post(t, s, startPushPath, `{"adminKey":`),
		"more after it":           post(t, s, startPushPath, string(mustJSON(t, push))+"{}"),
		"a module without source": post(t, s, startPushPath, change(push, object{"changedModules": []object{{"path": "a.js"}}})),
	} {
		wantFailure(t, name, got, 400, "BadJsonBody")
	}
	ignored := newPush(s)
	ignored["forCodegen"], ignored["unknown"] = true, object{"a": []any{1, nil, "x"}}
	mustStart(t, s, ignored)
}

func TestOldClientsNameTheModulesFunctions(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	app := objectAt(push, "appDefinition")
	app["functions"] = app["changedModules"]
	delete(app, "changedModules")
	delete(app, "unchangedModuleHashes")
	deploy(t, s, push)
	if _, ok := s.State().Definitions[""].Modules["notes.js"]; !ok {
		t.Error("the modules were not taken")
	}
}

func TestABadProject(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	invalid := func(fields object) answered { return post(t, s, startPushPath, change(push, fields)) }
	for name, got := range map[string]answered{
		"dash in a path":    invalid(object{"changedModules": []object{module("my-file.js", "")}}),
		"absolute path":     invalid(object{"changedModules": []object{module("/etc/a.js", "")}}),
		"not a script":      invalid(object{"changedModules": []object{module("a.txt", "")}}),
		"environment":       invalid(object{"changedModules": []object{{"path": "a.js", "source": "", "environment": "deno"}}}),
		"hash":              invalid(object{"unchangedModuleHashes": []object{{"path": "a.js", "environment": "node", "sha256": "00"}}}),
		"server version":    invalid(object{"udfServerVersion": "new"}),
		"node in component": post(t, s, startPushPath, withComponent(push, object{"functions": []object{{"path": "a.js", "source": "", "environment": "node"}}})),
	} {
		wantFailure(t, name, got, 400, "InvalidConfig")
	}
	badNode := newPush(s)
	badNode["nodeVersion"] = "19"
	wantFailure(t, "node version", post(t, s, startPushPath, badNode), 400, "InvalidConfig")
	wantFailure(t, "two alike", invalid(object{"changedModules": []object{module("a", ""), module("a.js", "")}}), 400, "CanonicalizationConflict")
	many := make([]object, deploy2.MaxUserModules+1)
	for i := range many {
		many[i] = module("m"+strings.Repeat("x", i%60)+"/"+string(rune('a'+i/60%26))+string(rune('a'+i/1560))+".js", "")
	}
	wantFailure(t, "too many", invalid(object{"changedModules": many}), 400, "InvalidModules")
}

func TestReportPushCompletedAnswersNull(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	if got := post(t, s, reportPath, object{"adminKey": s.AdminKey(), "spans": []any{object{}}}); got.status != 200 || got.body != "null" {
		t.Errorf("got %+v", got)
	}
}

func TestEvaluateSchemaIsThereOnRequestOnly(t *testing.T) {
	const path = "/api/deploy2/evaluate_schema"
	old := simtest.Start(t, convexsim.Options{})
	if got := post(t, old, path, newPush(old)); got.status != http.StatusNotFound || got.body != "" {
		t.Errorf("got %+v, want an empty 404", got)
	}
	s := simtest.Start(t, convexsim.Options{EvaluateSchema: true})
	answer := success(t, post(t, s, path, newPush(s)))
	evaluation := dig(answer, "componentSchemaEvaluations", "")
	first := dig(evaluation, "indexes", 0)
	if dig(first, "change") != "added" || dig(first, "needsBackfill") != true || dig(first, "type") != "database" || len(s.State().Schemas) != 0 {
		t.Errorf("got %v", evaluation)
	}
	deploy(t, s, newPush(s))
	answer = success(t, post(t, s, path, change(newPush(s), object{"schema": module("schema.js", "")})))
	indexes := dig(answer, "componentSchemaEvaluations", "", "indexes")
	if size(indexes) != 4 || dig(indexes, 0, "change") != "dropped" {
		t.Errorf("got %v", indexes)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
