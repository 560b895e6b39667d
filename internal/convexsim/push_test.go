package convexsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/adminkey"
)

func TestOnlyFinishPushActivates(t *testing.T) {
	s := Start(t, Options{})
	push := newPush(s)
	success(t, post(t, s, evaluatePushPath, push))
	if got := s.State(); len(got.Packages) > 0 || len(got.Schemas) > 0 {
		t.Errorf("evaluate_push left %+v", got)
	}
	started := mustStart(t, s, push)
	if got := waitFor(t, s, started, 0); got.body != `{"type":"complete"}` {
		t.Errorf("wait_for_schema answered %s", got.body)
	}
	if got := s.State(); len(got.Definitions) > 0 || got.Schemas[0].State != SchemaValidated {
		t.Errorf("start_push activated %+v", got)
	}
	success(t, finishPush(t, s, started))
	s = Restart(t, s)
	state := s.State()
	if _, ok := state.Definitions[""].Modules["notes.js"]; !ok || state.Pushes != 1 || state.Schemas[0].State != SchemaActive {
		t.Errorf("after finish_push and a restart: %+v", state)
	}
}

func TestAPushSurvivesARestartBetweenStartAndFinish(t *testing.T) {
	s := Start(t, Options{})
	started := mustStart(t, s, newPush(s))
	s = Restart(t, s)
	success(t, finishPush(t, s, started))
	if s.State().Pushes != 1 {
		t.Errorf("state %+v", s.State())
	}
}

func TestFinishPushMayBeRepeated(t *testing.T) {
	s := Start(t, Options{})
	started := mustStart(t, s, newPush(s))
	success(t, finishPush(t, s, started))
	second := success(t, finishPush(t, s, started))
	diff := second["componentDiffs"].(object)[""].(object)
	if kind := diff["diffType"].(object)["type"]; kind != "modify" || len(diff["moduleDiff"].(object)["added"].([]any)) != 0 {
		t.Errorf("the second finish_push changed something: %v", diff)
	}
}

func TestADryRunOfFinishPushChangesNothing(t *testing.T) {
	s := Start(t, Options{})
	started := mustStart(t, s, newPush(s))
	body := object{"adminKey": s.AdminKey(), "startPush": started, "dryRun": true}
	got := post(t, s, finishPath, body)
	if got.body != `{"authDiff":{"added":[],"removed":[]},"definitionDiffs":{},"componentDiffs":{}}` || s.State().Pushes != 0 {
		t.Errorf("a dry run answered %s and left %+v", got.body, s.State())
	}
}

func TestConfigHashesListWhatIsActive(t *testing.T) {
	s := Start(t, Options{})
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
	s := Start(t, Options{})
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
	removed := answer["componentDiffs"].(object)[""].(object)["moduleDiff"].(object)["removed"].([]any)
	if _, still := s.State().Definitions[""].Modules["_deps/ABC.js"]; still || len(removed) != 0 {
		t.Errorf("a module that is in neither list is not gone, or dependencies are in the diff: %v", removed)
	}
}

func TestEncodingsOfAPush(t *testing.T) {
	s := Start(t, Options{})
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
	s := Start(t, Options{MaxPushBytes: 100_000})
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

func TestVariablesMayNotChangeDuringAPush(t *testing.T) {
	for name, changes := range map[string][]envChange{"added": {set("B", "1")}, "changed": {set("A", "2")}, "removed": {unset("A")}} {
		s := Start(t, Options{})
		update(t, s, set("A", "1"))
		started := mustStart(t, s, newPush(s))
		update(t, s, changes...)
		got := finishPush(t, s, started)
		wantFailure(t, name, got, 400, "RaceDetected")
		if !strings.Contains(got.body, `Hit an error while pushing:\n`) || s.State().Pushes != 0 {
			t.Errorf("%s: %s, state %+v", name, got.body, s.State())
		}
	}
}

func TestOfTwoPushesWithDifferentSchemasTheFirstLoses(t *testing.T) {
	s := Start(t, Options{})
	push := newPush(s)
	first := mustStart(t, s, push)
	same := mustStart(t, s, push)
	if got := waitFor(t, s, first, 0); got.body != `{"type":"complete"}` {
		t.Errorf("the same schema again disturbed the first push: %s", got.body)
	}
	other := change(push, object{"schema": module("schema.js", schemaSource+"\n// other")})
	second := mustStart(t, s, other)
	if got := waitFor(t, s, first, 0); got.body != `{"type":"raceDetected"}` {
		t.Errorf("wait_for_schema of the first answered %s", got.body)
	}
	wantFailure(t, "finish of the first", finishPush(t, s, same), 400, "SchemaAlreadyOverwritten")
	success(t, finishPush(t, s, second))
}

func TestSubmittingTheActiveSchemaVoidsAPendingOne(t *testing.T) {
	s := Start(t, Options{})
	push := newPush(s)
	deploy(t, s, push)
	pending := mustStart(t, s, change(push, object{"schema": module("schema.js", schemaSource+"\n// other")}))
	mustStart(t, s, push)
	if got := waitFor(t, s, pending, 0); got.body != `{"type":"raceDetected"}` {
		t.Errorf("got %s", got.body)
	}
}

func TestAnAppWithoutASchemaIsCompleteAtOnce(t *testing.T) {
	s := Start(t, Options{})
	push := newPush(s)
	deploy(t, s, push)
	started := mustStart(t, s, change(push, object{"schema": nil}))
	if got := waitFor(t, s, started, 0); got.body != `{"type":"complete"}` {
		t.Errorf("got %s", got.body)
	}
	answer := success(t, finishPush(t, s, started))
	diff := answer["componentDiffs"].(object)[""].(object)
	if removed := diff["indexDiff"].(object)["removed_indexes"].([]any); len(removed) != 4 || diff["schemaDiff"] == nil {
		t.Errorf("dropping the schema gave %v", diff)
	}
}

func TestAuthConfigNeedsItsVariables(t *testing.T) {
	s := Start(t, Options{})
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
	added := answer["authDiff"].(object)["added"].([]any)
	if len(added) != 1 || !strings.Contains(added[0].(string), "https://example.test") {
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
	s := Start(t, Options{})
	source := strings.ReplaceAll(authSource, "SITE_URL", "CONVEX_SITE_URL")
	mustStart(t, s, change(newPush(s), object{"changedModules": []object{module("auth.config.js", source)}}))
}

func TestWhoMayPush(t *testing.T) {
	s := Start(t, Options{})
	started := mustStart(t, s, newPush(s))
	readOnly := mint(t, DefaultInstanceName, DefaultInstanceSecret, adminkey.ReadOnly())
	systemKey := mint(t, DefaultInstanceName, DefaultInstanceSecret, adminkey.System())
	wrong := mint(t, DefaultInstanceName, strings.Repeat("0f", 32))
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
	s := Start(t, Options{})
	success(t, post(t, s, startPushPath, newPush(s), withKey("nonsense")))
}

func TestFinishPushNeedsWhatStartPushAnswered(t *testing.T) {
	s := Start(t, Options{})
	started := mustStart(t, s, newPush(s))
	for _, field := range []string{"environmentVariables", "componentDefinitionPackages", "appAuth", "analysis", "app", "schemaChange"} {
		lacking := object{}
		for key, value := range started {
			if key != field {
				lacking[key] = value
			}
		}
		wantFailure(t, field, finishPush(t, s, lacking), 400, "BadJsonBody")
	}
	tampered := func(edit func(object)) object {
		var copied object
		data, err := json.Marshal(started)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &copied); err != nil {
			t.Fatal(err)
		}
		edit(copied)
		return copied
	}
	wantFailure(t, "no package", finishPush(t, s, tampered(func(o object) { o["componentDefinitionPackages"] = object{} })), 400, "MissingSourcePackage")
	wantFailure(t, "unknown package", finishPush(t, s, tampered(func(o object) {
		o["componentDefinitionPackages"].(object)[""].(object)["storageKey"] = "nonsense"
	})), 500, "InternalServerError")
	wantFailure(t, "unknown schema", finishPush(t, s, tampered(func(o object) {
		o["schemaChange"].(object)["schemaIds"].(object)[""] = "nonsense"
	})), 500, "InternalServerError")
	wantFailure(t, "unknown component", finishPush(t, s, tampered(func(o object) {
		o["schemaChange"].(object)["allocatedComponentIds"] = object{}
	})), 500, "InternalServerError")
}

func TestStartPushInsistsOnItsFields(t *testing.T) {
	s := Start(t, Options{})
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
	s := Start(t, Options{})
	push := newPush(s)
	app := push["appDefinition"].(object)
	app["functions"] = app["changedModules"]
	delete(app, "changedModules")
	delete(app, "unchangedModuleHashes")
	deploy(t, s, push)
	if _, ok := s.State().Definitions[""].Modules["notes.js"]; !ok {
		t.Error("the modules were not taken")
	}
}

func TestABadProject(t *testing.T) {
	s := Start(t, Options{})
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
	many := make([]object, maxUserModules+1)
	for i := range many {
		many[i] = module("m"+strings.Repeat("x", i%60)+"/"+string(rune('a'+i/60%26))+string(rune('a'+i/1560))+".js", "")
	}
	wantFailure(t, "too many", invalid(object{"changedModules": many}), 400, "InvalidModules")
}

func TestReportPushCompletedAnswersNull(t *testing.T) {
	s := Start(t, Options{})
	if got := post(t, s, reportPath, object{"adminKey": s.AdminKey(), "spans": []any{object{}}}); got.status != 200 || got.body != "null" {
		t.Errorf("got %+v", got)
	}
}

func TestEvaluateSchemaIsThereOnRequestOnly(t *testing.T) {
	const path = "/api/deploy2/evaluate_schema"
	old := Start(t, Options{})
	if got := post(t, old, path, newPush(old)); got.status != http.StatusNotFound || got.body != "" {
		t.Errorf("got %+v, want an empty 404", got)
	}
	s := Start(t, Options{EvaluateSchema: true})
	answer := success(t, post(t, s, path, newPush(s)))
	evaluation := answer["componentSchemaEvaluations"].(object)[""].(object)
	first := evaluation["indexes"].([]any)[0].(object)
	if first["change"] != "added" || first["needsBackfill"] != true || first["type"] != "database" || len(s.State().Schemas) != 0 {
		t.Errorf("got %v", evaluation)
	}
	deploy(t, s, newPush(s))
	answer = success(t, post(t, s, path, change(newPush(s), object{"schema": module("schema.js", "")})))
	indexes := answer["componentSchemaEvaluations"].(object)[""].(object)["indexes"].([]any)
	if len(indexes) != 4 || indexes[0].(object)["change"] != "dropped" {
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
