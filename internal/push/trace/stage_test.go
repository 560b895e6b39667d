package trace

import (
	"log/slog"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/report"
)

// The first answer to wait_for_schema may take ten seconds; what is known before
// it is in the report at once.
func TestReportBeforeTheFirstAnswer(t *testing.T) {
	var last Deploy
	seen := New(slog.New(slog.DiscardHandler), func(d Deploy) { last = d })
	seen.Attempt(func() {})
	seen.Begin(backend.StageStartPush).Succeeded(200, false)
	seen.Started(backend.StartAnswer{Indexes: []backend.AddedIndex{{Name: "notes.by_n"}, {Name: "notes.by_m"}}})
	seen.Begin(backend.StageWaitForSchema)
	stage := last.Stages[1]
	if stage.State != report.Running || stage.Started == nil || time.Since(*stage.Started) > time.Minute {
		t.Errorf("%+v", stage)
	}
	indexes := func(want IndexProgress) {
		t.Helper()
		if last.Indexes == nil || *last.Indexes != want {
			t.Errorf("%+v, want %+v", last.Indexes, want)
		}
	}
	indexes(IndexProgress{Total: 2})
	seen.documentsIndexed(10, 100)
	indexes(IndexProgress{Total: 2})
	if _, err := seen.SchemaAnswered([]byte(`{"type":"complete"}`)); err != nil {
		t.Fatal(err)
	}
	indexes(IndexProgress{Complete: 2, Total: 2, SchemaValidation: true})
}
