package status_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient/hostile"
)

func document() status.Document {
	started := time.Now().Add(-3 * time.Second)
	d := status.Document{
		Document: report.Document{
			Service: "platform", Version: "v1", Started: started, State: report.Running,
			Stages: []report.Stage{
				{Name: "wait", State: report.Done, DurationMS: 1234, Attempts: 3, Detail: "backend version x"},
				{Name: "deploy", State: report.Running, Started: &started},
				{Name: "ready", State: report.Pending},
			},
			Failure: &report.Failure{Stage: "start_push", Code: "InvalidModules", Message: "boom", Fix: []string{"mend it"}},
		},
		Live: status.Live{
			Reason:   "stage deploy",
			Children: []status.Child{{Name: "web", State: "ready", Pid: 42, Started: started, Restarts: 2, RSS: 5 << 20}},
		},
	}
	d.Set("found", map[string]int{"things": 3})
	return d
}

// sections shows the document's only section.
func sections() status.Sections {
	return status.Sections{"found": func(v *status.View, d report.Document) error {
		found, err := report.Section[map[string]int](d, "found")
		if err == nil {
			v.Linef("found %d things", (*found)["things"])
		}
		return err
	}}
}

func TestFetchEndsWhateverThePortAnswers(t *testing.T) {
	hostile.Try(t, 16<<20, func(ctx context.Context, url string) {
		_, _ = status.Source{Addr: strings.TrimPrefix(url, "http://")}.Fetch(ctx)
	})
}

func TestRender(t *testing.T) {
	var out bytes.Buffer
	if err := status.Render(&out, document(), false, sections()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"platform v1  running (stage deploy)", "wait", "1.23s", "[3 attempts]", "found 3 things", "web", "42", "5.0 MiB", "FAILED at start_push: InvalidModules", "mend it"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("coloured although it should not be")
	}
	out.Reset()
	if err := status.Render(&out, document(), true, sections()); err != nil || !strings.Contains(out.String(), "\x1b[31m") {
		t.Errorf("not coloured: %v", err)
	}
}

func TestFetch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(document())
	}))
	addr := server.Listener.Addr().String()
	got, err := status.Source{Addr: addr}.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := document()
	if diff := cmp.Diff(want.Children, got.Children, cmpopts.IgnoreFields(status.Child{}, "Started")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want.Failure, got.Failure); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want.Sections(), got.Sections()); diff != "" {
		t.Error(diff)
	}
	server.Close()
	if _, err := (status.Source{Addr: addr}).Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("port gone: %v", err)
	}
	path := filepath.Join(t.TempDir(), "report.json")
	data, _ := json.Marshal(document().Document)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err = status.Source{Addr: addr, ReportPath: path}.Fetch(t.Context())
	if err != nil || got.Service != "platform" || !strings.Contains(got.Reason, "last boot report") {
		t.Errorf("from the file: %+v, %v", got, err)
	}
	var out bytes.Buffer
	if err := status.Render(&out, got, false, sections()); err != nil || !strings.Contains(out.String(), "not running, was running (nothing answers") || strings.Contains(out.String(), "up since") {
		t.Errorf("a dead process looks alive: %v\n%s", err, out.String())
	}
}
