package trace

import (
	"fmt"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
)

// backfillQuiet is how long a wait without news may stay unmentioned in the log.
const backfillQuiet = 30 * time.Second

// backfillProgress is how far the backend has come with the indexes and the
// validation of the schema, and how fast.
type backfillProgress struct {
	backend.Progress
	documents, total int64 // indexed so far in the tables that are being worked on; 0: not known
	began            time.Time
	beganDocuments   int64
	logged           time.Time
}

// SchemaAnswered records an answer to wait_for_schema; it may be a failure.
func (t *Trace) SchemaAnswered(answer []byte) (backend.SchemaAnswer, error) {
	a, err := backend.ParseSchemaAnswer(answer)
	if err != nil {
		return a, err
	}
	if o, failed := diagnosis.ObserveSchema(a); failed {
		return a, o.Err()
	}
	t.backfilled(func(p *backfillProgress) {
		if a.Type == backend.SchemaComplete {
			if p.IndexesTotal == 0 { // it was quicker than the first answer on the way
				p.IndexesTotal = len(t.indexes)
			}
			p.IndexesComplete, p.SchemaValidated = p.IndexesTotal, true
		} else {
			p.Progress = a.Progress()
		}
	})
	return a, nil
}

// documentsIndexed records how many documents the backfills have read.
func (t *Trace) documentsIndexed(documents, total int64) {
	t.backfilled(func(p *backfillProgress) {
		if p.beganDocuments == 0 {
			p.beganDocuments = documents
		}
		p.documents, p.total = documents, total
	})
}

// backfilled applies news. Any change counts as progress, not only an increase:
// backends of early 2026 count some documents more than once.
func (t *Trace) backfilled(change func(*backfillProgress)) {
	now := time.Now()
	var (
		line  backfillProgress
		speak bool
	)
	advanced := func() {}
	t.update(func() {
		p := &t.progress
		before := *p
		if p.began.IsZero() {
			p.began = now
		}
		change(p)
		if p.Progress != before.Progress || p.documents != before.documents {
			advanced = t.advanced
			speak = p.Progress != before.Progress
		}
		if speak = speak || now.Sub(p.logged) >= backfillQuiet; speak {
			p.logged = now
		}
		if p.Progress != (backend.Progress{}) { // otherwise start_push told more
			t.deploy.Indexes = &IndexProgress{Complete: p.IndexesComplete, Total: p.IndexesTotal, SchemaValidation: p.SchemaValidated}
		}
		line = *p
	})
	advanced()
	if speak && line.waiting() {
		t.log.Info("the backend prepares the schema", line.attributes(now)...)
	}
}

// waiting reports whether anything is left to do.
func (p backfillProgress) waiting() bool {
	return p.IndexesComplete < p.IndexesTotal || !p.SchemaValidated
}

func (p backfillProgress) attributes(now time.Time) []any {
	waited := now.Sub(p.began)
	var attributes []any
	if p.Progress != (backend.Progress{}) { // otherwise nothing was told yet
		attributes = append(attributes, "indexes", fmt.Sprintf("%d of %d", p.IndexesComplete, p.IndexesTotal),
			"schema_validated", p.SchemaValidated)
	}
	attributes = append(attributes, "waited", waited.Round(time.Second))
	if p.documents > 0 {
		attributes = append(attributes, "documents", fmt.Sprintf("%d of %d", p.documents, p.total))
	}
	if done := p.documents - p.beganDocuments; done > 0 && waited >= time.Second {
		attributes = append(attributes, "rate", fmt.Sprintf("%.0f documents/s", float64(done)/waited.Seconds()))
	}
	return attributes
}
