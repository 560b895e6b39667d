package convexsim

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
)

func TestTheDashboardsQueries(t *testing.T) {
	s := Start(t, Options{})
	ask := func(name string, args object) any {
		t.Helper()
		answer := success(t, call(t, s, http.MethodPost, "/api/query", functionCall(name, args)))
		if answer["status"] != "success" {
			t.Errorf("%s: %v", name, answer)
		}
		return answer["value"]
	}
	if event := ask(lastPushQuery, object{}); event != nil {
		t.Errorf("a push before the first one: %v", event)
	}
	push := withComponent(newPush(s), nil)
	push["adminKey"] = mint(t, DefaultInstanceSecret, keybroker.Key{Member: 42})
	started := mustStart(t, s, push)
	if schemas := ask(schemasQuery, object{}); dig(schemas, "active") != nil || dig(schemas, "inProgress") == nil {
		t.Errorf("between start and finish the schemas are %v", schemas)
	}
	success(t, post(t, s, finishPath, object{"adminKey": push["adminKey"], "startPush": started, "dryRun": false}))
	if event := ask(lastPushQuery, object{}); dig(event, "member_id") != "42" || dig(event, "action") != "push_config_with_components" {
		t.Errorf("the last push is %v", event)
	}
	second := ""
	for i := range size(ask(componentsQuery, object{})) {
		component := dig(ask(componentsQuery, object{}), i)
		if dig(component, "path") == "second" && dig(component, "state") == "active" {
			second, _ = dig(component, "id").(string)
		}
	}
	schema, _ := dig(ask(schemasQuery, object{"componentId": second}), "active").(string)
	if !strings.Contains(schema, `"notes.by_author"`) {
		t.Errorf("the schema of second, %q, is %q", second, schema)
	}
}

func TestTheDashboardSeesIndexesBeingBuilt(t *testing.T) {
	s := Start(t, Options{})
	inject(t, s, "stage=start_push,indexes=1,index-time=1h")
	mustStart(t, s, newPush(s))
	answer := success(t, call(t, s, http.MethodPost, "/api/query", functionCall(indexesQuery, object{"tableName": "users", "tableNamespace": nil})))
	if index := dig(answer, "value", 0); dig(index, "name") != "by_email" || dig(index, "backfill", "state") != "backfilling" ||
		dig(index, "backfill", "stats", "totalDocs") == nil {
		t.Errorf("got %v", answer)
	}
}
