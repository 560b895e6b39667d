package envsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
)

// syncer returns an EnvSync against a simulator, with its log.
func syncer(t *testing.T, server *convexsim.Server) (Sync, *bytes.Buffer) {
	t.Helper()
	client := simtest.Client(t, server)
	log := new(bytes.Buffer)
	return Sync{
		Client: client, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Limit: 10 * time.Second,
	}, log
}

// writes counts the update requests a simulator got.
func writes(server *convexsim.Server) int {
	count := 0
	for _, request := range server.Requests() {
		if request.Path == backend.StageUpdateEnv.Path() {
			count++
		}
	}
	return count
}

func inject(t *testing.T, server *convexsim.Server, fault fault.Fault) {
	t.Helper()
	if _, err := server.Inject(fault); err != nil {
		t.Fatal(err)
	}
}

// withoutPlan compares results but for what TestPlanEnv compares.
var withoutPlan = cmpopts.IgnoreFields(Result{}, "Plan", "Warnings")

func TestSyncWritesOnceAndOnlyDifferences(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, log := syncer(t, server)
	sync.Memory = OpenMemory(filepath.Join(t.TempDir(), "env.json"), strings.Repeat("ab", 32))
	theirs := "operator"
	if err := sync.Client.UpdateEnv(t.Context(), []backend.EnvUpdate{{Name: "THEIRS", Value: &theirs}}); err != nil {
		t.Fatal(err)
	}
	goal := Goal{Values: map[string]string{"A": "canary=a==", "B": "canary\nb", "UNSET": ""}}
	result, err := sync.Run(t.Context(), goal)
	if err != nil {
		t.Fatal(err)
	}
	want := Result{State: diagnosis.VariablesSynced, Wanted: 2, Present: 2, Attempts: 1}
	if diff := cmp.Diff(want, result, withoutPlan); diff != "" {
		t.Error(diff)
	}
	if got := server.State().Environment; !maps.Equal(got, map[string]string{"A": "canary=a==", "B": "canary\nb", "THEIRS": "operator"}) {
		t.Errorf("deployment %q", got)
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("a value was logged: %s", log)
	}
	again, err := sync.Run(t.Context(), goal)
	if err != nil || again.State != diagnosis.VariablesUnchanged || writes(server) != 2 {
		t.Errorf("again: %+v, %v, %d writes", again, err, writes(server))
	}
	delete(goal.Values, "UNSET")
	goal.Values["A"] = ""
	result, err = sync.Run(t.Context(), goal)
	if err != nil || result.Report().Removed != 1 || result.Report().Foreign != 1 {
		t.Errorf("removal: %+v, %v", result.Report(), err)
	}
	if _, there := server.State().Environment["A"]; there {
		t.Error("an unset variable stayed in the deployment")
	}
}

func TestSyncStopsWhenTheListFails(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	inject(t, server, fault.Fault{Stage: fault.StageEnvList, Status: 404})
	result, err := sync.Run(t.Context(), Goal{Values: map[string]string{"A": "1"}})
	var failure *diagnosis.Failure
	if !errors.As(err, &failure) || failure.Observation.Stage != backend.StageListEnv || exit.Code(err) != exit.DeployRefused {
		t.Fatalf("error %v", err)
	}
	if result.State != diagnosis.VariablesUntouched || writes(server) != 0 {
		t.Errorf("a failed list was taken for an empty one: %+v", result)
	}
}

func TestSyncRetriesWhatPasses(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fault.Fault{
		"busy list":           {Stage: fault.StageEnvList, Times: 1, Status: 503, Code: "ServiceUnavailable"},
		"conflicting write":   {Stage: fault.StageEnvUpdate, Times: 2, Status: 503, Code: "OptimisticConcurrencyControlFailure"},
		"lost request":        {Stage: fault.StageEnvUpdate, Times: 1, Drop: fault.DropRequest},
		"lost answer":         {Stage: fault.StageEnvUpdate, Times: 1, Drop: fault.DropHeaders},
		"broken list":         {Stage: fault.StageEnvList, Times: 1, Drop: fault.DropBody},
		"failed confirmation": {Stage: fault.StageEnvList, Times: 1, After: 1, Status: 500, Code: "InternalServerError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := simtest.Start(t, convexsim.Options{})
			sync, log := syncer(t, server)
			inject(t, server, fault)
			result, err := sync.Run(t.Context(), Goal{Values: map[string]string{"A": "1"}})
			if err != nil {
				t.Fatal(err)
			}
			if result.State != diagnosis.VariablesSynced {
				t.Errorf("state %s", result.State)
			}
			if result.Attempts < 2 {
				t.Errorf("%d attempts", result.Attempts)
			}
			if n := result.Plan.Count(New); n != 1 {
				t.Errorf("%d new variables", n)
			}
			if server.State().Environment["A"] != "1" {
				t.Error("the variable is not there")
			}
			if name == "lost answer" && writes(server) != 1 {
				t.Errorf("%d writes: an applied write was repeated", writes(server))
			}
			if !strings.Contains(log.String(), "cause=") || !strings.Contains(log.String(), "next=") {
				t.Errorf("the retry is not explained: %s", log)
			}
		})
	}
}

func TestSyncNamesTheRefusedVariable(t *testing.T) {
	long := strings.Repeat("canary", 8192/6+1)
	for name, tt := range map[string]struct {
		values map[string]string
		code   string
		says   []string
	}{
		"value":    {map[string]string{"GOOD": "1", "LONG": long}, "EnvironmentVariableValueTooLarge", []string{"LONG is 8196 bytes long, the limit is 8192"}},
		"name":     {map[string]string{"GOOD": "1", strings.Repeat("N", 41): "1"}, "EnvironmentVariableNameTooLong", []string{"NNNNN is 41 bytes long"}},
		"chars":    {map[string]string{"GOOD": "1", "has-dash": "1"}, "EnvironmentVariableNameInvalid", []string{"has-dash (1 bytes)"}},
		"built-in": {map[string]string{"GOOD": "1", "CONVEX_SITE_URL": "x"}, "EnvVarNameForbidden", []string{"CONVEX_SITE_URL (1 bytes)"}},
		"count":    {map[string]string{"A": "1", "B": "1", "C": "1", "D": "1"}, "EnvVarLimitMet", []string{"does not say which of the 4 changes"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := simtest.Start(t, convexsim.Options{EnvLimit: 3})
			sync, log := syncer(t, server)
			result, err := sync.Run(t.Context(), Goal{Values: tt.values})
			var failure *diagnosis.Failure
			if !errors.As(err, &failure) || failure.Observation.Code != tt.code || exit.Code(err) != exit.DeployRefused {
				t.Fatalf("error %v", err)
			}
			text := strings.Join(failure.Lines(), "\n")
			for _, say := range append(tt.says, "Nothing of the batch was applied, the old values are live", "variables: not changed") {
				if !strings.Contains(text, say) {
					t.Errorf("%q is not in\n%s", say, text)
				}
			}
			if strings.Contains(text, "GOOD") {
				t.Errorf("a good variable is blamed:\n%s", text)
			}
			if strings.Contains(text+log.String(), "canary") {
				t.Errorf("a value is shown:\n%s", text)
			}
			if got := server.State().Environment; len(got) != 0 {
				t.Errorf("applied in part: %q", got)
			}
			if n := writes(server); n != 1 {
				t.Errorf("%d writes", n)
			}
			want := Result{State: diagnosis.VariablesUntouched, Wanted: len(tt.values)}
			if diff := cmp.Diff(want, result, withoutPlan); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSyncRefusesMoreThanOneRequest(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	goal := Goal{Values: map[string]string{}}
	for i := range 300 {
		goal.Values[fmt.Sprintf("LARGE_%d", i)] = strings.Repeat("v", knownValueLimit)
	}
	_, err := sync.Run(t.Context(), goal)
	if exit.Code(err) != exit.DeployRefused || !strings.Contains(fmt.Sprint(err), "at most 2097152") || writes(server) != 0 {
		t.Errorf("error %v after %d writes", err, writes(server))
	}
}

func TestSyncExplainsAuthConfig(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	if _, err := sync.Run(t.Context(), Goal{Values: map[string]string{"ENTRA": "1"}}); err != nil {
		t.Fatal(err)
	}
	inject(t, server, fault.Fault{Stage: fault.StageEnvUpdate, Status: 400, Code: "AuthConfigMissingEnvironmentVariable",
		Message: "Environment variable ENTRA is used in auth config file but its value was not set"})
	sync.Pushed = true // nothing is left to wait for
	_, err := sync.Run(t.Context(), Goal{Values: map[string]string{"ENTRA": ""}})
	var failure *diagnosis.Failure
	if !errors.As(err, &failure) || !strings.Contains(failure.Diagnosis.Cause, "ENTRA is to be removed") {
		t.Errorf("error %v, cause %q", err, failure.Diagnosis.Cause)
	}
}

func TestSyncRefusesBytesThatAreNoText(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	_, err := sync.Run(t.Context(), Goal{Values: map[string]string{"RAW": "a\xff"}})
	if exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "RAW (2 bytes) is not valid UTF-8") || len(server.Requests()) != 0 {
		t.Errorf("error %v after %d requests", err, len(server.Requests()))
	}
}

func TestSyncRefusesAKeyOfAnotherInstance(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	stranger, err := backend.NewClient(server.URL(), "tale_platform|00")
	if err != nil {
		t.Fatal(err)
	}
	sync.Client = stranger
	_, err = sync.Run(t.Context(), Goal{Values: map[string]string{"A": "1"}})
	var failure *diagnosis.Failure
	if !errors.As(err, &failure) || failure.Observation.Code != "BadAdminKey" || exit.Code(err) != exit.NoPermission {
		t.Errorf("error %v, exit %d", err, exit.Code(err))
	}
}

// A second container with other settings must be named, not fought with.
func TestSyncNoticesAnotherWriter(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	inject(t, server, fault.Fault{Stage: fault.StageEnvList, After: 1, Times: 1, Status: http.StatusOK, Body: `{"environmentVariables":{"A":"22","B":"x"}}`})
	result, err := sync.Run(t.Context(), Goal{Values: map[string]string{"A": "1", "B": "1", "C": "1"}})
	var failure *diagnosis.Failure
	if !errors.As(err, &failure) || failure.Observation.Condition != diagnosis.ConditionNotConfirmed || exit.Code(err) != exit.Temporary {
		t.Fatalf("error %v", err)
	}
	if want := "A: 2 bytes instead of 1; B: another value of the same length; C: missing"; failure.Observation.Message != want {
		t.Errorf("message %q, want %q", failure.Observation.Message, want)
	}
	if writes(server) != 1 || result.State != diagnosis.VariablesUnknown {
		t.Errorf("%d writes, state %q", writes(server), result.State)
	}
}

func TestSyncEndsWithItsContext(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	inject(t, server, fault.Fault{Stage: fault.StageEnvList, Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(50*time.Millisecond, cancel)
	defer stop.Stop()
	started := time.Now()
	if _, err := sync.Run(ctx, Goal{Values: map[string]string{"A": "1"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if elapsed := time.Since(started); elapsed > 5*time.Second {
		t.Errorf("it took %v to stop", elapsed)
	}
}
