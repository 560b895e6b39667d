package boot

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/stack"
)

func TestReadinessDoesNotComeBackFromDraining(t *testing.T) {
	b := New(logging.Discard(), Options{Service: "fake", Settings: Settings{RunDir: t.TempDir()}})
	b.Begin("stage")
	if _, reason := b.ready.State(); reason != "stage stage" {
		t.Errorf("reason %q", reason)
	}
	b.Ready()
	b.Begin("another")
	if ready, _ := b.ready.State(); !ready || !b.markers.Ready() {
		t.Error("not ready")
	}
	b.NotReady("gone")
	if ready, reason := b.ready.State(); ready || reason != "gone" || b.markers.Ready() {
		t.Errorf("ready %t, %s", ready, reason)
	}
	b.Drain()
	b.Ready()
	b.NotReady("other")
	if ready, reason := b.ready.State(); ready || reason != "draining" || b.markers.Ready() {
		t.Errorf("ready %t, %s", ready, reason)
	}
	if started, _ := b.started.State(); !started {
		t.Error("what was started is not any more")
	}
}

// What a container that was killed has left says nothing about this run.
func TestMarkersOfAnEarlierRunAreRemoved(t *testing.T) {
	dir, markers := t.TempDir(), []string{stack.ReadyMarker("fake"), stack.ShuttingDownMarker("fake")}
	for _, marker := range markers {
		if err := os.WriteFile(filepath.Join(dir, marker), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := New(logging.Discard(), Options{Service: "fake", Settings: Settings{RunDir: dir}})
	err := b.Run(t.Context(), Plan{
		Config: func(context.Context) (string, error) { return "", nil },
		Stages: []Stage{{Name: "look", Run: func(context.Context) (string, error) {
			for _, marker := range markers {
				if _, err := os.Stat(filepath.Join(dir, marker)); err == nil {
					t.Errorf("%s is there", marker)
				}
			}
			return "", nil
		}}},
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	b := New(logging.Discard(), Options{Service: "fake", Settings: Settings{RunDir: t.TempDir()}})
	b.Begin("stage")("", nil)
	b.CountFailure(report.Failure{Stage: "stage", Code: "x"})
	recorder := httptest.NewRecorder()
	b.Metrics().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text := recorder.Body.String()
	for _, want := range []string{"tale_fake_ready 0", `tale_boot_stage_seconds{stage="stage"}`, `tale_boot_failures_total{code="x",stage="stage"} 1`, "process_resident_memory_bytes"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}
