package diagnosis

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// Where there is no docker compose, nothing that is known to go wrong names it.
func TestFailuresInKubernetes(t *testing.T) {
	for where, other := range map[string]string{"10.96.0.1": "docker", "": "kubectl"} {
		t.Setenv("KUBERNETES_SERVICE_HOST", where)
		for _, part := range (advisor{place.Here()}).catalogue() {
			for _, row := range part.rows {
				f := &Failure{Diagnosis: row.diagnose(Observation{})}
				if text := f.Report().Text(); strings.Contains(text, other) {
					t.Errorf("%s is named where it is not: %s", other, text)
				}
			}
		}
	}
}

func TestFailureLines(t *testing.T) {
	o := Observation{
		Stage: backend.StageWaitForSchema, Status: http.StatusOK, Condition: ConditionSchemaFailed, Table: "messages",
		Message:  "Document with ID \"k1\" in table \"messages\" does not match the schema:\nObject is missing the required field `author`",
		Progress: backend.Progress{IndexesComplete: 1, IndexesTotal: 3},
	}
	f := &Failure{
		Observation: o, Diagnosis: Diagnose(o), Driver: "native", Attempt: 1, Attempts: 4, Elapsed: 3 * time.Second,
		Changed: Changed{Variables: VariablesSynced, SchemaPending: true}, Evidence: []string{"what the CLI made of it"},
	}
	text := strings.Join(f.Lines(), "\n")
	for _, want := range []string{
		"FAILED at wait_for_schema: schema_failed (HTTP 200), native driver",
		"Object is missing the required field `author`",
		"A document in the table messages contradicts the new schema",
		"v.optional", "variables: synced", "a schema is pending", "indexes: 1 of 3 ready",
		"retry    no", "attempts 1 of 4", "elapsed 3s", "exit code 65",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "what the CLI made of it") {
		t.Errorf("the CLI's words stand beside the backend's:\n%s", text)
	}
	if f.Error() != `wait_for_schema failed: 200 OK: schema failed: Document with ID "k1" in table "messages" does not match the schema:` {
		t.Errorf("in one line: %s", f.Error())
	}
	if exit.Code(fmt.Errorf("cannot deploy: %w", f)) != exit.DeployRefused {
		t.Error("the exit code is lost")
	}
}

func TestFailureShowsTheCLIWhenTheBackendIsSilent(t *testing.T) {
	for _, o := range []Observation{
		{Stage: backend.StageBundle, Condition: ConditionCLIFailed, Message: "exit status 1"},
		{Stage: backend.StageStartPush, Transport: netcause.Closed, Reason: "closed"},
	} {
		f := &Failure{Observation: o, Diagnosis: Diagnose(o), Evidence: []string{"Could not resolve \"./missing\""}}
		if text := strings.Join(f.Lines(), "\n"); !strings.Contains(text, "printed  Could not resolve") {
			t.Errorf("the CLI's words are missing:\n%s", text)
		}
	}
}

// Whatever happens, the message fits on a screen and the log line on a line.
func TestFailureLinesAreFew(t *testing.T) {
	noise := strings.Repeat("words of the backend\n", 50)
	for _, section := range (advisor{place.Here()}).catalogue() {
		for _, row := range section.rows {
			for _, o := range examples(row) {
				if o.Condition == "" {
					o.Message += noise
				}
				f := &Failure{Observation: o, Diagnosis: Diagnose(o), Driver: "cli", Attempt: 4, Attempts: 4, Elapsed: time.Minute,
					Changed: Changed{Variables: VariablesUnknown, Finishing: true}, Evidence: strings.Split(noise, "\n")}
				if lines := f.Lines(); len(lines) > 25 {
					t.Errorf("%s: %d lines", row.subject(), len(lines))
				}
				if strings.Contains(f.Error(), "\n") {
					t.Errorf("%s: %q has several lines", row.subject(), f.Error())
				}
			}
		}
	}
}

func TestFailureReport(t *testing.T) {
	o := Observe(backend.StageFinishPush, backend.NewTransportError(http.MethodPost, backend.StageFinishPush.Path(), fmt.Errorf("read: %w", http.ErrHandlerTimeout)))
	o.Transport, o.Reason = netcause.Reset, "the server broke the connection"
	f := &Failure{Observation: o, Diagnosis: Diagnose(o), Next: 5 * time.Second, Changed: Changed{Finishing: true}}
	r := f.Report()
	want := report.Failure{Stage: "finish_push", Code: "reset", Message: "the server broke the connection", Retryable: true, ExitCode: exit.Temporary}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(report.Failure{}, "Cause", "Fix", "Changed", "NextAttempt")); diff != "" {
		t.Error(diff)
	}
	if wait := time.Until(*r.NextAttempt); wait < 4*time.Second || wait > 5*time.Second {
		t.Errorf("next attempt in %v", wait)
	}
	if text := strings.Join(r.Changed, "\n"); !strings.Contains(text, "variables: not changed") || !strings.Contains(text, "functions: not known") {
		t.Errorf("changed %q", text)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}
