package push

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/logging/redact"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

func runAfterDeploy(t *testing.T, client *backend.Client, secrets map[string]string) (report, log string) {
	t.Helper()
	buffer := new(bytes.Buffer)
	done := AfterDeploy{Function: "migrations:runAll", Redact: redact.New(secrets)}.Run(t.Context(), slog.New(slog.NewTextHandler(buffer, nil)), client)
	if done.Function != "migrations:runAll" || done.DurationMS < 0 {
		t.Errorf("report %+v", done)
	}
	return done.Error, buffer.String()
}

// answering returns the client of a backend that answers a call of a function, and
// nothing else.
func answering(t *testing.T, status int, body string) *backend.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != backend.StageRunFunction.Path() {
			t.Errorf("request for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return clientOf(t, server.URL)
}

func clientOf(t *testing.T, url string) *backend.Client {
	t.Helper()
	client, err := backend.NewClient(url, "tale_platform|00")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestRunAfterDeploy(t *testing.T) {
	client := answering(t, 200, `{"status":"success","value":null,"logLines":["[LOG] 'moved 3'"]}`)
	if failed, log := runAfterDeploy(t, client, nil); failed != "" || !strings.Contains(log, "moved 3") {
		t.Errorf("failed with %q\n%s", failed, log)
	}
}

func TestRunAfterDeployAgainstASimulator(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{Functions: []string{"migrations:runAll"}})
	client := simtest.Client(t, server)
	if failed, _ := runAfterDeploy(t, client, nil); failed != "" {
		t.Errorf("failed with %q", failed)
	}
	empty := simtest.Start(t, convexsim.Options{})
	client = simtest.Client(t, empty)
	if failed, _ := runAfterDeploy(t, client, nil); !strings.Contains(failed, "migrations:runAll") {
		t.Errorf("a function that does not exist: %q", failed)
	}
}

func TestRunAfterDeployReportsFailures(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		says   string
	}{
		"the function's error": {200, `{"status":"error","errorMessage":"Uncaught Error: canary-secret is wrong","logLines":["[LOG] canary-secret"]}`, "Uncaught Error: [TOKEN] is wrong"},
		"paused":               {400, `{"code":"BackendIsNotRunning","message":"paused"}`, "The deployment is paused"},
		"unknown route":        {404, "", "does not know this route"},
	} {
		t.Run(name, func(t *testing.T) {
			client := answering(t, tt.status, tt.body)
			failed, log := runAfterDeploy(t, client, map[string]string{"TOKEN": "canary-secret"})
			if !strings.Contains(failed, tt.says) {
				t.Errorf("error %q, want %q", failed, tt.says)
			}
			if strings.Contains(failed+log, "canary") || !strings.Contains(log, "level=WARN") {
				t.Errorf("log %s", log)
			}
		})
	}
	client := clientOf(t, "http://127.0.0.1:1")
	if failed, _ := runAfterDeploy(t, client, nil); !strings.Contains(failed, "Nothing listens") {
		t.Errorf("error %q", failed)
	}
}

// TestAFunctionThatHangs is told in the log and to the service, until it ends.
func TestAFunctionThatHangs(t *testing.T) {
	told := make(chan string, 100)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = io.WriteString(w, `{"status":"success","value":null,"logLines":[]}`)
	}))
	t.Cleanup(server.Close)
	buffer := new(bytes.Buffer)
	hanging := AfterDeploy{Function: "migrations:runAll", Redact: redact.New(nil), remind: time.Millisecond, OnWait: func(reason string) {
		select {
		case told <- reason:
		default:
		}
	}}
	go func() {
		if reason := <-told; !strings.HasPrefix(reason, "the function migrations:runAll (CONVEX_RUN_AFTER_DEPLOY) has run for ") {
			t.Errorf("%q", reason)
		}
		<-told // again
		close(release)
	}()
	done := hanging.Run(t.Context(), slog.New(slog.NewTextHandler(buffer, nil)), clientOf(t, server.URL))
	if done.Error != "" || !strings.Contains(buffer.String(), "has not ended; the platform waits for it") || !strings.Contains(buffer.String(), "CONVEX_RUN_AFTER_DEPLOY=off") {
		t.Errorf("%+v\n%s", done, buffer)
	}
}
