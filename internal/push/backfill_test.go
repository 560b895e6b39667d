package push

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A single index of a large table is one index for a long time; its documents
// are what makes progress.
func TestIndexedDocumentsAreProgress(t *testing.T) {
	seen := newTrace(slog.New(slog.DiscardHandler), nil)
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
