package convexsim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/keybroker"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/convexsim/state"
)

func functionCall(path string, args any) object {
	return object{"path": path, "args": args, "format": "json"}
}

func TestAFunctionOfAPushedModuleSucceedsWithNull(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{Functions: []string{"other:task"}})
	const success, unknown = `{"status":"success","value":null}`, `Could not find function for 'notes:list'.`
	if got := call(t, s, http.MethodPost, "/api/function", functionCall("notes:list", object{})); got.status != 200 || !strings.Contains(got.body, unknown) {
		t.Errorf("before the push: %+v", got)
	}
	deploy(t, s, newPush(s))
	for _, path := range []string{"notes:list", "notes.js:list", "other:task"} {
		if got := call(t, s, http.MethodPost, "/api/function", functionCall(path, object{})); got.body != success {
			t.Errorf("%s: got %s", path, got.body)
		}
	}
	if got := call(t, s, http.MethodPost, "/api/run/notes/list", `{"args":{}}`); got.body != success {
		t.Errorf("by URL: got %s", got.body)
	}
	for _, path := range []string{"notes:other", "gone:list", "notes"} {
		if got := call(t, s, http.MethodPost, "/api/function", functionCall(path, object{})); !strings.Contains(got.body, `"status":"error","errorMessage":"Could`) && !strings.Contains(got.body, "Could not find") {
			t.Errorf("%s: got %s", path, got.body)
		}
	}
	wantFailure(t, "no path", call(t, s, http.MethodPost, "/api/function", `{"args":{}}`), 400, "BadJsonBody")
	wantFailure(t, "no function in the URL", call(t, s, http.MethodPost, "/api/run/notes", `{"args":{}}`), 400, "MissingIdentifier")
}

func TestAFunctionCanBeMadeToFail(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{Functions: []string{"migrations:runAll"}})
	inject(t, s, "stage=function,message=Uncaught Error: boom,times=1")
	inject(t, s, "stage=function,after=1,status=429,code=TooManyConcurrentRequests,message=busy")
	got := call(t, s, http.MethodPost, "/api/function", functionCall("migrations:runAll", object{}))
	if got.status != 200 || got.body != `{"status":"error","errorMessage":"Uncaught Error: boom"}` {
		t.Errorf("got %+v", got)
	}
	got = call(t, s, http.MethodPost, "/api/function", functionCall("migrations:runAll", object{}))
	wantFailure(t, "busy", got, 429, "TooManyConcurrentRequests")
}

func TestQueriesOfTheAppAreNotRun(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	deploy(t, s, newPush(s))
	for _, path := range []string{"/api/query", "/api/mutation", "/api/action"} {
		if got := call(t, s, http.MethodPost, path, functionCall("notes:list", object{})); got.status != 200 || !strings.Contains(got.body, convexsim.NotRun) {
			t.Errorf("%s: got %+v", path, got)
		}
	}
}

func TestTheSystemQueryForVariables(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{Origins: &convexsim.Origins{Cloud: "https://api.example", Site: ""}})
	update(t, s, set("B", "2"), set("A", "1"))
	query := func(path string, args any, edits ...edit) answered {
		return call(t, s, http.MethodPost, "/api/query", functionCall(path, args), edits...)
	}
	for _, path := range []string{"_system/cli/queryEnvironmentVariables", convexsim.EnvQuery} {
		for _, args := range []any{object{}, []any{object{}}} {
			var got struct {
				Status string
				Value  []state.EnvironmentDocument
			}
			query(path, args).decode(t, &got)
			if got.Status != "success" || len(got.Value) != 2 || got.Value[0].Name != "A" || got.Value[1].Value != "2" || got.Value[0].ID == got.Value[1].ID {
				t.Errorf("%s: got %+v", path, got)
			}
		}
	}
	for name, want := range map[string]string{
		"B": `{"status":"success","value":{"name":"B","value":"2"}}`, "NOPE": `{"status":"success","value":null}`,
		state.CloudURLVariable: `{"status":"success","value":{"name":"CONVEX_CLOUD_URL","value":"https://api.example"}}`,
		state.SiteURLVariable:  `{"status":"success","value":{"name":"CONVEX_SITE_URL","value":""}}`,
	} {
		if got := query(convexsim.EnvQueryOne, object{"name": name}); got.body != want {
			t.Errorf("%s: got %s", name, got.body)
		}
	}
	if got := query(convexsim.EnvQuery, object{}, noKey); got.status != 200 || !strings.Contains(got.body, `"status":"error"`) {
		t.Errorf("without a key: %+v", got)
	}
	readOnly := mint(t, convexsim.DefaultInstanceSecret, keybroker.Key{ReadOnly: true})
	if got := query(convexsim.EnvQuery, object{}, withKey(readOnly)); !strings.Contains(got.body, `"status":"success"`) {
		t.Errorf("with a read-only key: %+v", got)
	}
	wantFailure(t, "with a wrong key", query(convexsim.EnvQuery, object{}, withKey("nonsense")), 401, "BadAdminKey")
}

func TestCanonicalURLs(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{Origins: &convexsim.Origins{Cloud: "https://api.example", Site: "https://site.example"}})
	got := call(t, s, http.MethodGet, "/api/v1/get_canonical_urls", nil)
	if got.body != `{"convexCloudUrl":"https://api.example","convexSiteUrl":"https://site.example"}` {
		t.Errorf("got %+v", got)
	}
}
