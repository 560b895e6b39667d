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

	"github.com/tale-project/tale-runtime/internal/httpclient/hostile"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/status"
)

func document() status.Document {
	started := time.Now().Add(-3 * time.Second)
	return status.Document{
		Document: report.Document{
			Service: "platform", Version: "v1", Started: started, State: report.Running,
			Stages: []report.Stage{
				{Name: "wait", State: report.Done, DurationMS: 1234, Attempts: 3, Detail: "backend version x"},
				{Name: "deploy", State: report.Running, Started: &started},
				{Name: "ready", State: report.Pending},
			},
			Env:     &report.EnvSync{Declared: 24, Present: 20, New: 3, Drift: []string{"SITE_URL"}},
			Deploy:  &report.Deploy{Driver: "native", Attempts: 1, Modules: 12, Changed: new(2), Stages: []report.PushStage{{Name: "start_push", State: report.Done, BytesSent: 4096}}, Indexes: &report.IndexProgress{Complete: 1, Total: 4}},
			Failure: &report.Failure{Stage: "start_push", Code: "InvalidModules", Message: "boom", Fix: []string{"mend it"}},
		},
		Reason:   "stage deploy",
		Children: []status.Child{{Name: "web", State: "ready", Pid: 42, Started: started, Restarts: 2, RSS: 5 << 20}},
	}
}

func TestFetchEndsWhateverThePortAnswers(t *testing.T) {
	hostile.Try(t, 16<<20, func(ctx context.Context, url string) {
		_, _ = status.Source{Addr: strings.TrimPrefix(url, "http://")}.Fetch(ctx)
	})
}

func TestRender(t *testing.T) {
	var out bytes.Buffer
	if err := status.Render(&out, document(), false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"platform v1  running (stage deploy)", "wait", "1.23s", "[3 attempts]", "20 of 24 set", "drift    SITE_URL",
		"[██████··················] 1 of 4", "4.0 KiB sent", "web", "42", "5.0 MiB", "FAILED at start_push: InvalidModules", "mend it"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("coloured although it should not be")
	}
	out.Reset()
	if err := status.Render(&out, document(), true); err != nil || !strings.Contains(out.String(), "\x1b[31m") {
		t.Errorf("not coloured: %v", err)
	}
}

// A long wait_for_schema is answered for the first time after a while.
func TestRenderOfARunningPushStage(t *testing.T) {
	began := time.Now().Add(-8 * time.Second)
	d := status.Document{Document: report.Document{Deploy: &report.Deploy{Driver: "native", Attempts: 1, Stages: []report.PushStage{
		{Name: "start_push", State: report.Done, Started: &began, DurationMS: 120, BytesSent: 10, BytesReceived: 20},
		{Name: "wait_for_schema", State: report.Running, Started: &began},
	}, Indexes: &report.IndexProgress{Total: 2}}}}
	var out bytes.Buffer
	if err := status.Render(&out, d, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"start_push       120ms  10 B sent", "wait_for_schema  8", "no answer yet", "] 0 of 2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), " 0 B") || strings.Contains(out.String(), " 0s") {
		t.Errorf("a running stage looks idle:\n%s", out.String())
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
	if err != nil || got.Children[0].Name != "web" || got.Failure.Code != "InvalidModules" {
		t.Errorf("got %+v, %v", got, err)
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
	if err := status.Render(&out, got, false); err != nil || !strings.Contains(out.String(), "not running, was running (nothing answers") || strings.Contains(out.String(), "up since") {
		t.Errorf("a dead process looks alive: %v\n%s", err, out.String())
	}
}
