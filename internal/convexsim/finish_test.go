package convexsim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

func TestOnlyFinishPushActivates(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	success(t, post(t, s, evaluatePushPath, push))
	if got := s.State(); len(got.Packages) > 0 || len(got.Schemas) > 0 {
		t.Errorf("evaluate_push left %+v", got)
	}
	started := mustStart(t, s, push)
	if got := waitFor(t, s, started, 0); got.body != `{"type":"complete"}` {
		t.Errorf("wait_for_schema answered %s", got.body)
	}
	if got := s.State(); len(got.Definitions) > 0 || got.Schemas[0].State != state.SchemaValidated {
		t.Errorf("start_push activated %+v", got)
	}
	success(t, finishPush(t, s, started))
	s = simtest.Restart(t, s)
	stored := s.State()
	if _, ok := stored.Definitions[""].Modules["notes.js"]; !ok || stored.Pushes != 1 || stored.Schemas[0].State != state.SchemaActive {
		t.Errorf("after finish_push and a restart: %+v", stored)
	}
}

func TestAPushSurvivesARestartBetweenStartAndFinish(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	started := mustStart(t, s, newPush(s))
	s = simtest.Restart(t, s)
	success(t, finishPush(t, s, started))
	if s.State().Pushes != 1 {
		t.Errorf("state %+v", s.State())
	}
}

func TestFinishPushMayBeRepeated(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	started := mustStart(t, s, newPush(s))
	success(t, finishPush(t, s, started))
	second := success(t, finishPush(t, s, started))
	diff := dig(second, "componentDiffs", "")
	if kind := dig(diff, "diffType", "type"); kind != "modify" || size(diff, "moduleDiff", "added") != 0 {
		t.Errorf("the second finish_push changed something: %v", diff)
	}
}

func TestADryRunOfFinishPushChangesNothing(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	started := mustStart(t, s, newPush(s))
	body := object{"adminKey": s.AdminKey(), "startPush": started, "dryRun": true}
	got := post(t, s, finishPath, body)
	if got.body != `{"authDiff":{"added":[],"removed":[]},"definitionDiffs":{},"componentDiffs":{}}` || s.State().Pushes != 0 {
		t.Errorf("a dry run answered %s and left %+v", got.body, s.State())
	}
}

func TestVariablesMayNotChangeDuringAPush(t *testing.T) {
	for name, changes := range map[string][]state.EnvChange{"added": {set("B", "1")}, "changed": {set("A", "2")}, "removed": {unset("A")}} {
		s := simtest.Start(t, convexsim.Options{})
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

func otherSchema() string { return strings.ReplaceAll(schemaSource, "by_author", "by_writer") }

func TestOfTwoPushesWithDifferentSchemasTheFirstLoses(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	first := mustStart(t, s, push)
	same := mustStart(t, s, change(push, object{"schema": module("schema.js", schemaSource+"\n// a comment makes no other schema")}))
	if got := waitFor(t, s, first, 0); got.body != `{"type":"complete"}` {
		t.Errorf("the same schema again disturbed the first push: %s", got.body)
	}
	other := change(push, object{"schema": module("schema.js", otherSchema())})
	second := mustStart(t, s, other)
	if got := waitFor(t, s, first, 0); got.body != `{"type":"raceDetected"}` {
		t.Errorf("wait_for_schema of the first answered %s", got.body)
	}
	wantFailure(t, "finish of the first", finishPush(t, s, same), 400, "SchemaAlreadyOverwritten")
	success(t, finishPush(t, s, second))
}

func TestSubmittingTheActiveSchemaVoidsAPendingOne(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	deploy(t, s, push)
	pending := mustStart(t, s, change(push, object{"schema": module("schema.js", otherSchema())}))
	mustStart(t, s, push)
	if got := waitFor(t, s, pending, 0); got.body != `{"type":"raceDetected"}` {
		t.Errorf("got %s", got.body)
	}
}

func TestAnAppWithoutASchemaIsCompleteAtOnce(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	push := newPush(s)
	deploy(t, s, push)
	started := mustStart(t, s, change(push, object{"schema": nil}))
	if got := waitFor(t, s, started, 0); got.body != `{"type":"complete"}` {
		t.Errorf("got %s", got.body)
	}
	answer := success(t, finishPush(t, s, started))
	diff := dig(answer, "componentDiffs", "")
	if size(diff, "indexDiff", "removed_indexes") != 4 || dig(diff, "schemaDiff") == nil {
		t.Errorf("dropping the schema gave %v", diff)
	}
}

func TestFinishPushNeedsWhatStartPushAnswered(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
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
		objectAt(o, "componentDefinitionPackages", "")["storageKey"] = "nonsense"
	})), 500, "InternalServerError")
	wantFailure(t, "unknown schema", finishPush(t, s, tampered(func(o object) {
		objectAt(o, "schemaChange", "schemaIds")[""] = "nonsense"
	})), 500, "InternalServerError")
	wantFailure(t, "unknown component", finishPush(t, s, tampered(func(o object) {
		objectAt(o, "schemaChange")["allocatedComponentIds"] = object{}
	})), 500, "InternalServerError")
}
