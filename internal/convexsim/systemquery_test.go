package convexsim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
)

func TestTheDashboardsQueries(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	ask := func(name string, args object) any {
		t.Helper()
		answer := success(t, call(t, s, http.MethodPost, "/api/query", functionCall(name, args)))
		if answer["status"] != "success" {
			t.Errorf("%s: %v", name, answer)
		}
		return answer["value"]
	}
	if event := ask(convexsim.LastPushQuery, object{}); event != nil {
		t.Errorf("a push before the first one: %v", event)
	}
	push := withComponent(newPush(s), nil)
	push["adminKey"] = mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{Member: 42})
	started := mustStart(t, s, push)
	if schemas := ask(convexsim.SchemasQuery, object{}); dig(schemas, "active") != nil || dig(schemas, "inProgress") == nil {
		t.Errorf("between start and finish the schemas are %v", schemas)
	}
	success(t, post(t, s, finishPath, object{"adminKey": push["adminKey"], "startPush": started, "dryRun": false}))
	if event := ask(convexsim.LastPushQuery, object{}); dig(event, "member_id") != "42" || dig(event, "action") != "push_config_with_components" {
		t.Errorf("the last push is %v", event)
	}
	second := ""
	for i := range size(ask(convexsim.ComponentsQuery, object{})) {
		component := dig(ask(convexsim.ComponentsQuery, object{}), i)
		if dig(component, "path") == "second" && dig(component, "state") == "active" {
			second, _ = dig(component, "id").(string)
		}
	}
	schema, _ := dig(ask(convexsim.SchemasQuery, object{"componentId": second}), "active").(string)
	if !strings.Contains(schema, `"notes.by_author"`) {
		t.Errorf("the schema of second, %q, is %q", second, schema)
	}
}

func TestTheDashboardSeesIndexesBeingBuilt(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	inject(t, s, "stage=start_push,indexes=1,index-time=1h")
	mustStart(t, s, newPush(s))
	answer := success(t, call(t, s, http.MethodPost, "/api/query", functionCall(convexsim.IndexesQuery, object{"tableName": "users", "tableNamespace": nil})))
	if index := dig(answer, "value", 0); dig(index, "name") != "by_email" || dig(index, "backfill", "state") != "backfilling" ||
		dig(index, "backfill", "stats", "totalDocs") == nil {
		t.Errorf("got %v", answer)
	}
}
