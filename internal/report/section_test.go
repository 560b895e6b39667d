package report_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
)

type found struct {
	Things int `json:"things"`
}

// Readers outside know the form: sections are members between stages and failure.
func TestSectionsInJSON(t *testing.T) {
	d := report.Document{
		Service: "platform", Version: "v1", Started: time.Unix(0, 0).UTC(), Updated: time.Unix(1, 0).UTC(), State: report.Failed,
		Stages: []report.Stage{{Name: "env", State: report.Done}}, Failure: &report.Failure{Stage: "env", Message: "no"},
	}
	d.Set("second", found{1})
	d.Set("first", found{1})
	d.Set("second", found{2})
	const want = `{"service":"platform","version":"v1","started":"1970-01-01T00:00:00Z","updated":"1970-01-01T00:00:01Z","state":"failed",` +
		`"stages":[{"name":"env","state":"done","duration_ms":0}],"second":{"things":2},"first":{"things":1},` +
		`"failure":{"stage":"env","message":"no","retryable":false}}`
	data, err := json.Marshal(d)
	if err != nil || string(data) != want {
		t.Fatalf("%v\n%s, want\n%s", err, data, want)
	}
	var read report.Document
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(read); err != nil || string(again) != want {
		t.Errorf("%v, read and written again:\n%s", err, again)
	}
	if second, err := report.Section[found](read, "second"); err != nil || second == nil || second.Things != 2 {
		t.Errorf("got %+v, %v", second, err)
	}
	if none, err := report.Section[found](read, "none"); err != nil || none != nil {
		t.Errorf("got %+v, %v", none, err)
	}
	if _, err := report.Section[[]string](read, "second"); err == nil {
		t.Error("a section of another form was read")
	}
}
