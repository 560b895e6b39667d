package health_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestStatusPort(t *testing.T) {
	var ready, started health.Gate
	ready.Close("stage deploy")
	server, err := health.Listen(logging.Discard(), "127.0.0.1:0", health.Endpoints{
		Ready: &ready, Started: &started, Status: func() any { return map[string]string{"stage": "deploy"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	base := "http://" + server.Addr()
	if code, _ := get(t, base+"/livez"); code != http.StatusOK {
		t.Errorf("/livez %d", code)
	}
	if code, body := get(t, base+"/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "stage deploy") {
		t.Errorf("/readyz %d %q", code, body)
	}
	_, err = health.Check(t.Context(), server.Addr(), health.Markers{})
	if err == nil || err.Error() != "not ready: stage deploy" {
		t.Errorf("check: %v", err)
	}
	ready.Open()
	started.Open()
	if code, _ := get(t, base+"/startupz"); code != http.StatusOK {
		t.Errorf("/startupz %d", code)
	}
	if line, err := health.Check(t.Context(), server.Addr(), health.Markers{}); err != nil || line != "ready" {
		t.Errorf("check: %q %v", line, err)
	}
	var status map[string]string
	if _, body := get(t, base+"/status"); json.Unmarshal([]byte(body), &status) != nil || status["stage"] != "deploy" {
		t.Errorf("/status %q", body)
	}
	if _, err := health.Listen(logging.Discard(), server.Addr(), health.Endpoints{Ready: &ready, Started: &started}); exit.Code(err) != exit.Config {
		t.Errorf("a taken port: %v", err)
	}
}

// A cache between a probe and the port would go on with an answer that holds no more.
func TestAnswersAreNotKept(t *testing.T) {
	var gate health.Gate
	server, err := health.Listen(logging.Discard(), "127.0.0.1:0", health.Endpoints{Ready: &gate, Started: &gate})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, path := range []string{"/livez", "/readyz", "/startupz"} {
		response, err := http.Get("http://" + server.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if kept := response.Header.Get("Cache-Control"); kept != "no-store" {
			t.Errorf("%s: %q", path, kept)
		}
	}
}

func TestMarkers(t *testing.T) {
	dir := t.TempDir()
	m := health.NewMarkers(filepath.Join(dir, "ready"), filepath.Join(dir, "shutting-down"))
	steps := []struct {
		do    func() error
		ready bool
	}{
		{m.Clear, false},
		{func() error { return m.SetReady(true) }, true},
		{func() error { return m.SetReady(false) }, false},
		{func() error { return m.SetReady(true) }, true},
		{m.ShuttingDown, false},
		{m.Clear, false},
	}
	for i, step := range steps {
		if err := step.do(); err != nil || m.Ready() != step.ready {
			t.Errorf("step %d: ready %t, %v", i, m.Ready(), err)
		}
		_, err := health.Check(t.Context(), "", m)
		if (err == nil) != step.ready {
			t.Errorf("step %d: check by marker: %v", i, err)
		}
	}
}

// An engine that follows a service hears of each change as it happens, and of what it
// has heard before only after a while.
func TestFollow(t *testing.T) {
	var ready health.Gate
	ready.Close("stage wait")
	server, err := health.Listen(logging.Discard(), "127.0.0.1:0", health.Endpoints{Ready: &ready, Started: &ready})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	follow := func(limit time.Duration) (text string) {
		text, err := health.Follow(t.Context(), limit, server.Addr(), health.NewMarkers("", ""))
		if err != nil {
			text = err.Error()
		}
		return text
	}
	if got := follow(time.Millisecond); got != "not ready: stage wait" {
		t.Errorf("at its limit: %q", got)
	}
	answers := make(chan string, 1)
	go func() { answers <- follow(time.Hour) }()
	ready.Open()
	if got := <-answers; got != "ready" {
		t.Errorf("as it becomes ready: %q", got)
	}
	ready.Close(report.FailedAt + "deploy: no")
	if got := follow(time.Hour); got != "not ready: FAILED at deploy: no" {
		t.Errorf("as it fails: %q", got)
	}
}

// A boot is waited for as long as it takes. What was ready and is so no more is said after
// some seconds, to each of the checks that an engine wants to hear it from.
func TestFollowTellsALoss(t *testing.T) {
	var ready, started health.Gate
	server, err := health.Listen(logging.Discard(), "127.0.0.1:0", health.Endpoints{Ready: &ready, Started: &started})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ready.Open()
	started.Open()
	ready.Close("Postgres does not answer")
	for range 2 {
		if _, err := health.Follow(t.Context(), time.Hour, server.Addr(), health.NewMarkers("", "")); err == nil || err.Error() != "not ready: Postgres does not answer" {
			t.Errorf("after the loss: %v", err)
		}
	}
}
