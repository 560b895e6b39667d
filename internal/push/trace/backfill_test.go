package trace

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
)

// A single index of a large table is one index for a long time; its documents
// are what makes progress.
func TestIndexedDocumentsAreProgress(t *testing.T) {
	seen := New(slog.New(slog.DiscardHandler), nil)
	advanced := 0
	seen.Attempt(func() { advanced++ })
	seen.Begin(backend.StageStartPush).Succeeded(200, false)
	seen.Started(backend.StartAnswer{Indexes: []backend.AddedIndex{{Name: "notes.by_n"}, {Name: "notes.by_m"}, {Component: "counter", Name: "shards.by_s"}}})
	if got := seen.tablesBeingIndexed(); got != nil {
		t.Errorf("before the wait: %v", got)
	}
	seen.Begin(backend.StageWaitForSchema)
	poll := []byte(`{"type":"inProgress","components":{"":{"schemaValidationComplete":true,"indexesComplete":0,"indexesTotal":1}}}`)
	for range 3 {
		if _, err := seen.SchemaAnswered(poll); err != nil {
			t.Fatal(err)
		}
	}
	if got := seen.tablesBeingIndexed(); fmt.Sprint(got) != "[{ notes} {counter shards}]" || seen.TimedOut() != diagnosis.ConditionStalled {
		t.Errorf("tables %v, condition %s", got, seen.TimedOut())
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
	if _, err := seen.SchemaAnswered([]byte(`{"type":"complete"}`)); err != nil {
		t.Fatal(err)
	}
	if got := seen.tablesBeingIndexed(); got != nil || seen.TimedOut() != diagnosis.ConditionStageTimeout {
		t.Errorf("after the wait: %v", got)
	}
}

func TestBackfillAttributesTellTheRate(t *testing.T) {
	began := time.Now()
	p := backfillProgress{Progress: backend.Progress{IndexesComplete: 1, IndexesTotal: 3, SchemaValidated: true}, documents: 5000, total: 9000, began: began, beganDocuments: 1000}
	got := fmt.Sprint(p.attributes(began.Add(4 * time.Second)))
	for _, want := range []string{"indexes 1 of 3", "schema_validated true", "waited 4s", "documents 5000 of 9000", "rate 1000 documents/s"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	// The documents may be counted before the first answer about indexes.
	p.Progress = backend.Progress{}
	if got := fmt.Sprint(p.attributes(began)); strings.Contains(got, "indexes") || !strings.Contains(got, "documents 5000 of 9000") {
		t.Errorf("%q", got)
	}
}
