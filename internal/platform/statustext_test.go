package platform

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/push/envsync"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/report/status"
)

func TestStatusOfAPush(t *testing.T) {
	var d status.Document
	d.Set(envsync.Section, envsync.Summary{Declared: 24, Present: 20, New: 3, Drift: []string{"SITE_URL"}})
	d.Set(trace.Section, trace.Deploy{
		Driver: "native", Attempts: 1, Modules: 12, Changed: new(2), Indexes: &trace.IndexProgress{Complete: 1, Total: 4},
		Stages: []trace.PushStage{{Name: "start_push", State: report.Done, BytesSent: 4096}},
	})
	var out bytes.Buffer
	if err := status.Render(&out, d, false, statusSections()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"variables  20 of 24 set: 3 new", "drift    SITE_URL", "deploy     driver native, attempts 1, 2 of 12 modules sent",
		"[██████··················] 1 of 4", "4.0 KiB sent",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q not in\n%s", want, out.String())
		}
	}
}

// It runs at each start, also where there is nothing to push.
func TestStatusOfTheFunctionAfterThePush(t *testing.T) {
	for name, tt := range map[string]struct {
		deploy trace.Deploy
		want   string
	}{
		"after a push":  {trace.Deploy{After: &trace.AfterDeploy{Function: "m:run", DurationMS: 20}}, "after    m:run in 20ms\n"},
		"without one":   {trace.Deploy{Skipped: "equal", After: &trace.AfterDeploy{Function: "m:run", DurationMS: 20}}, "after    m:run in 20ms\n"},
		"failed":        {trace.Deploy{After: &trace.AfterDeploy{Function: "m:run", Error: "no such function", Fix: "name one"}}, "after    m:run failed: no such function\n           fix: name one\n"},
		"skip and fail": {trace.Deploy{Skipped: "equal", After: &trace.AfterDeploy{Function: "m:run", Error: "no such function", Fix: "name one"}}, "after    m:run failed: no such function\n           fix: name one\n"},
	} {
		var d status.Document
		d.Set(trace.Section, tt.deploy)
		var out bytes.Buffer
		if err := status.Render(&out, d, false, statusSections()); err != nil || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: %v, %q", name, err, out.String())
		}
	}
}

// A long wait_for_schema is answered for the first time after a while.
func TestRenderOfARunningPushStage(t *testing.T) {
	began := time.Now().Add(-8 * time.Second)
	var d status.Document
	d.Set(trace.Section, trace.Deploy{Driver: "native", Attempts: 1, Stages: []trace.PushStage{
		{Name: "start_push", State: report.Done, Started: &began, DurationMS: 120, BytesSent: 10, BytesReceived: 20},
		{Name: "wait_for_schema", State: report.Running, Started: &began},
	}, Indexes: &trace.IndexProgress{Total: 2}})
	var out bytes.Buffer
	if err := status.Render(&out, d, false, statusSections()); err != nil {
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
