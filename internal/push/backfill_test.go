package push

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
)

// dashboard is a backend that answers the queries about indexes.
func dashboard(t *testing.T, asked *[]string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			Path string
			Args json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		*asked = append(*asked, request.Path+string(request.Args))
		switch {
		case strings.HasSuffix(request.Path, "components:list"):
			_, _ = io.WriteString(w, `{"status":"success","value":[{"id":"root","path":""},{"id":"k17","path":"counter"}]}`)
		case strings.Contains(string(request.Args), "notes"):
			_, _ = io.WriteString(w, `{"status":"success","value":[
				{"name":"by_n","staged":false,"backfill":{"state":"backfilling","stats":{"numDocsIndexed":120,"totalDocs":400}}},
				{"name":"by_x","staged":true,"backfill":{"state":"backfilling","stats":{"numDocsIndexed":5,"totalDocs":9}}},
				{"name":"by_y","staged":false,"backfill":{"state":"done"}}]}`)
		default:
			_, _ = io.WriteString(w, `{"status":"success","value":[{"name":"i","staged":false,"backfill":{"state":"backfilling","stats":{"numDocsIndexed":7,"totalDocs":null}}}]}`)
		}
	}))
	t.Cleanup(server.Close)
	return newTestClient(t, server.URL)
}

func TestCountIndexedSumsUpUnfinishedBackfills(t *testing.T) {
	var asked []string
	client := dashboard(t, &asked)
	documents, total, err := client.countIndexed(t.Context(), []tableOf{{"", "notes"}, {"counter", "shards"}, {"new", "t"}})
	if err != nil || documents != 127 || total != 400 {
		t.Errorf("%d of %d, %v", documents, total, err)
	}
	want := []string{
		`_system/frontend/components:list{}`,
		`_system/frontend/indexes{"tableName":"notes","tableNamespace":null}`,
		`_system/frontend/indexes{"tableName":"shards","tableNamespace":"k17"}`,
	}
	if fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("asked %v", asked)
	}
}

// A single index of a large table is one index for a long time; its documents
// are what makes progress.
func TestIndexedDocumentsAreProgress(t *testing.T) {
	seen := newTrace(slog.New(slog.DiscardHandler), nil, nil)
	advanced := 0
	seen.attempt(func() { advanced++ })
	seen.begin(StageStartPush).succeeded(200, false)
	seen.started(startAnswer{indexes: []newIndex{{"", "notes.by_n"}, {"", "notes.by_m"}, {"counter", "shards.by_s"}}})
	if got := seen.tablesBeingIndexed(); got != nil {
		t.Errorf("before the wait: %v", got)
	}
	seen.begin(StageWaitForSchema)
	poll := []byte(`{"type":"inProgress","components":{"":{"schemaValidationComplete":true,"indexesComplete":0,"indexesTotal":1}}}`)
	for range 3 {
		if _, err := seen.schemaAnswered(poll); err != nil {
			t.Fatal(err)
		}
	}
	if got := seen.tablesBeingIndexed(); fmt.Sprint(got) != "[{ notes} {counter shards}]" || seen.timedOut() != ConditionStalled {
		t.Errorf("tables %v, condition %s", got, seen.timedOut())
	}
	if advanced != 1 {
		t.Errorf("%d advances by the same answer three times", advanced)
	}
	// A count that falls is progress, too: some backends count twice at first.
	for _, documents := range []int64{100, 100, 250, 90} {
		seen.documentsIndexed(documents, 400)
	}
	if advanced != 4 {
		t.Errorf("%d advances", advanced)
	}
	if _, err := seen.schemaAnswered([]byte(`{"type":"complete"}`)); err != nil {
		t.Fatal(err)
	}
	if got := seen.tablesBeingIndexed(); got != nil || seen.timedOut() != ConditionStageTimeout {
		t.Errorf("after the wait: %v", got)
	}
}

func TestBackfillAttributesTellTheRate(t *testing.T) {
	began := time.Now()
	p := backfillProgress{Progress: Progress{1, 3, true}, documents: 5000, total: 9000, began: began, beganDocuments: 1000}
	got := fmt.Sprint(p.attributes(began.Add(4 * time.Second)))
	for _, want := range []string{"indexes=1 of 3", "schema_validated=true", "waited=4s", "documents=5000 of 9000", "rate=1000 documents/s"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

// One index of a large table: the count of indexes stands still, the documents
// do not, so that only the longest limit ends the wait.
func TestDocumentsKeepADeployWaiting(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t, convexsim.Fault{Stage: convexsim.StageStartPush, Indexes: 2, IndexTime: time.Minute}).byRequest(t)
	request := newTestRequest()
	request.AppDefinition.Schema.Source = `import { defineSchema, defineTable } from "convex/server"; import { v } from "convex/values";
export default defineSchema({ notes: defineTable({ n: v.number() }).index("by_n", ["n"]) });`
	d.Request, d.Timeout, d.Longest = request.write(t), 1500*time.Millisecond, 4*time.Second
	if f := d.failure(t); f.Observation.Condition != ConditionDeployMax {
		t.Errorf("%+v\n%s", f.Observation, d.log.String())
	}
	if !strings.Contains(d.log.String(), "the push adds indexes count=1 indexes=[notes.by_n]") {
		t.Error(d.log.String())
	}
	// Without the query there is only the count of indexes.
	if _, err := d.sim.Inject(convexsim.Fault{Stage: convexsim.StageFunction, Message: "Could not find function"}); err != nil {
		t.Fatal(err)
	}
	if f := d.failure(t); f.Observation.Condition != ConditionStalled {
		t.Errorf("%+v", f.Observation)
	}
}
