package report_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
)

func read(t *testing.T, path string) report.Document {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc report.Document
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestRecorderWritesEveryChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "platform-report.json")
	r := report.NewRecorder(logging.Discard(), path, "platform", "v1", "config", "wait", "serve")
	if got := read(t, path).Stages[1].State; got != report.Pending {
		t.Errorf("wait is %s at start", got)
	}
	endConfig := r.Begin("config")
	if got := read(t, path).Stages[0].State; got != report.Running {
		t.Errorf("config is %s while it runs", got)
	}
	endConfig("24 variables", nil)
	r.Begin("wait")("", errors.New("refused"))
	r.Skip("serve", "not asked for")
	r.Attempt("wait")
	doc := read(t, path)
	if s := doc.Stages; s[0].State != report.Done || s[0].Detail != "24 variables" || s[1].State != report.Failed ||
		s[1].Attempts != 1 || s[2].State != report.Skipped {
		t.Errorf("stages %+v", s)
	}
	if snapshot := r.Snapshot(); len(snapshot.Stages) != 3 || snapshot.Service != "platform" {
		t.Errorf("snapshot %+v", snapshot)
	}
}

func TestRecorderSurvivesAnUnwritableFolder(t *testing.T) {
	r := report.NewRecorder(logging.Discard(), filepath.Join(t.TempDir(), "missing", "r.json"), "platform", "v1", "config")
	r.Begin("config")("", nil)
	if got := r.Snapshot().Stages[0].State; got != report.Done {
		t.Errorf("config is %s", got)
	}
}

func TestFailureText(t *testing.T) {
	f := report.Failure{
		Stage: "start_push", Code: "InvalidModules", Status: 400, Message: strings.Repeat("line\n", 40),
		Cause: "a module failed to load", Fix: slices.Repeat([]string{"look at line 3"}, 9), Driver: "cli",
		Evidence: append(slices.Repeat([]string{"noise"}, 9), "the CLI's last line"),
		Attempts: 2, MaxAttempts: 4, ElapsedMS: 1234, ExitCode: 65, Changed: slices.Repeat([]string{"variables: synced"}, 9),
	}
	text := f.Text()
	if lines := strings.Count(text, "\n") + 1; lines > 25 {
		t.Errorf("%d lines", lines)
	}
	for _, want := range []string{"FAILED at start_push: InvalidModules (HTTP 400), cli driver", "cause    a module failed to load", "fix      look at line 3", "attempts 2 of 4, elapsed 1.2s, exit code 65", "variables: synced", "the CLI's last line"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q not in\n%s", want, text)
		}
	}
}

func TestFailureTextShowsEveryConfigurationProblem(t *testing.T) {
	f := report.Failure{Stage: "config", Message: strings.Repeat("problem\n", 20), ExitCode: 78}
	if n := strings.Count(f.Text(), "problem"); n != 20 {
		t.Errorf("%d of 20 problems shown", n)
	}
}

// Several errors are one failure that hides none of them.
func TestSeveralErrorsAreExplainedTogether(t *testing.T) {
	err := errors.Join(
		report.Because(exit.Errorf(exit.NoPermission, "cannot write"), "the folder is of root", "chown it"),
		report.New(exit.Config, "cannot listen", "the port is taken", "free it").Err(nil),
		report.Because(errors.New("cannot read"), "the folder is of root", "chown that"),
		report.Because(nil, "nothing", "nothing"),
	)
	f := report.Explain("config", err)
	if f.Message != "cannot write\ncannot listen\ncannot read" || f.Cause != "the folder is of root\nthe port is taken" || strings.Join(f.Fix, ", ") != "chown it, free it, chown that" {
		t.Errorf("%+v", f)
	}
	if f.Stage != "config" || f.ExitCode != exit.NoPermission || f.Retryable {
		t.Errorf("%+v", f)
	}
}

func TestTerminationLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "termination-log")
	f := report.Failure{Stage: "wait", Message: strings.Repeat("ü", 5000)}
	if err := report.WriteTerminationLog(path, f); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Fatal("the file was made although nobody wants it")
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := report.WriteTerminationLog(path, f); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || len(data) > 4096 || !strings.HasPrefix(string(data), "FAILED at wait") {
		t.Errorf("%d bytes, %v", len(data), err)
	}
}

func TestFailureTextHasShortLines(t *testing.T) {
	for _, unit := range []string{"word ", "ü", "\xff\xffy", "x"} {
		f := report.Failure{Stage: "wait", Message: "begins " + strings.Repeat(unit, 5000), Cause: strings.Repeat(unit, 400/len(unit)), Fix: []string{"mend it"}}
		text := f.Text()
		for line := range strings.Lines(text) {
			if len(line) > 365 {
				t.Errorf("%q: a line of %d bytes", unit, len(line))
			}
		}
		if len(text) < 700 || !strings.Contains(text, "…") || !strings.Contains(text, "fix      mend it") || strings.Count(text, "\n") > 8 {
			t.Errorf("%q:\n%s", unit, text)
		}
	}
}
