package envsync

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

// What the deployed release refuses is left for later; the rest is written.
func TestChangesWaitForThePush(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, log := syncer(t, server)
	before := map[string]string{"NEEDED": "x", "ALSO": "y", "MODE": "old", "PLAIN": "1", "GONE": "z"}
	if _, err := sync.Run(t.Context(), Goal{Values: before}); err != nil {
		t.Fatal(err)
	}
	declare(t, server, `{ NEEDED: v.string(), ALSO: v.string(), MODE: v.union(v.literal("old"), v.literal("other")), PLAIN: v.optional(v.string()) }`)
	goal := Goal{Values: map[string]string{"NEEDED": "", "ALSO": "", "MODE": "canary", "PLAIN": "2", "GONE": "", "NEW": "n"}}
	result, err := sync.Run(t.Context(), goal)
	if err != nil {
		t.Fatal(err, log)
	}
	want := map[string]string{"NEEDED": "x", "ALSO": "y", "MODE": "old", "PLAIN": "2", "NEW": "n"}
	if got := server.State().Environment; !maps.Equal(got, want) || len(result.Waiting) != 3 || result.State != diagnosis.VariablesSynced {
		t.Errorf("%q, %+v", got, result.Waiting)
	}
	again, err := sync.Run(t.Context(), goal)
	if err != nil || len(again.Waiting) != 3 || again.State != diagnosis.VariablesUnchanged {
		t.Errorf("again: %v, %+v", err, again)
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("a value was logged: %s", log)
	}
	// The same release does not take it later either.
	sync.Pushed = true
	var failure *diagnosis.Failure
	if _, err := sync.Run(t.Context(), goal); !errors.As(err, &failure) || failure.ExitCode() != exit.DeployRefused || !strings.Contains(failure.Diagnosis.Cause, "NEEDED is to be removed") {
		t.Errorf("%v", err)
	}
	declare(t, server, `{ MODE: v.string() }`)
	after, err := sync.Run(t.Context(), goal)
	if got := server.State().Environment; err != nil || len(after.Waiting) != 0 || !maps.Equal(got, map[string]string{"MODE": "canary", "PLAIN": "2", "NEW": "n"}) {
		t.Errorf("%v, %q", err, got)
	}
}

// An auth.config binds the variables that it reads in the same way.
func TestARemovalWaitsForAnotherAuthConfig(t *testing.T) {
	server := simtest.Start(t, convexsim.Options{})
	sync, _ := syncer(t, server)
	if _, err := sync.Run(t.Context(), Goal{Values: map[string]string{"ISSUER": "x", "B": "1"}}); err != nil {
		t.Fatal(err)
	}
	deploy(t, server, pushtest.NewRequest().With(func(r *pushtest.Request) {
		r.AppDefinition.ChangedModules[2].Source = `export default { providers: [{ domain: process.env.ISSUER, applicationID: "convex" }] };`
	}))
	goal := Goal{Values: map[string]string{"ISSUER": "", "B": "2"}}
	result, err := sync.Run(t.Context(), goal)
	if got := server.State().Environment; err != nil || len(result.Waiting) != 1 || !maps.Equal(got, map[string]string{"ISSUER": "x", "B": "2"}) {
		t.Errorf("%v, %q", err, got)
	}
	deploy(t, server, pushtest.NewRequest())
	if result, err = sync.Run(t.Context(), goal); err != nil || len(result.Waiting) != 0 || server.State().Environment["ISSUER"] != "" {
		t.Errorf("%v, %+v", err, result)
	}
}

func TestExplainTwoReleases(t *testing.T) {
	waiting := Waiting{{name: "MODE", words: "it does not match"}, {name: "KEY", remove: true}}
	for message, c := range map[string]struct{ code, want string }{
		"Environment variable MODE does not match its declared validator: Value does not match validator.\nValue: \"secret\"": {codeInvalid, "the new release refuses the old value"},
		"Required environment variables are not set: A, MODE. Set them":                                                       {codeMissing, "the new release requires it"},
		"Environment variable OTHER does not match":                                                                           {codeInvalid, ""},
		"Required environment variables are not set: KEY. Set them":                                                           {codeMissing, ""},
	} {
		f := &diagnosis.Failure{Observation: diagnosis.Observation{Code: c.code, Message: message}}
		waiting.Explain(f)
		if !strings.Contains(f.Diagnosis.Cause, c.want) || (f.Diagnosis.Cause == "") != (c.want == "") || strings.Contains(f.Observation.Message, "secret") {
			t.Errorf("%s: %q, %q", message, f.Diagnosis.Cause, f.Observation.Message)
		}
		if c.want != "" && (!strings.Contains(f.Diagnosis.Cause, "Two releases") || len(f.Diagnosis.Fix) != 2) {
			t.Errorf("%+v", f.Diagnosis)
		}
	}
}

// declare pushes an app that declares its variables.
func declare(t *testing.T, server *convexsim.Server, env string) {
	t.Helper()
	deploy(t, server, pushtest.NewRequest().With(func(r *pushtest.Request) {
		definition := *r.AppDefinition.Definition
		definition.Source = strings.Replace(definition.Source, "defineApp()", "defineApp({ env: "+env+" })", 1)
		r.AppDefinition.Definition = &definition
	}))
}

func deploy(t *testing.T, server *convexsim.Server, request pushtest.Request) {
	t.Helper()
	client := simtest.Client(t, server)
	if _, err := push.Deploy(t.Context(), logging.Discard(), client, push.Options{Driver: "native", Request: request.Write(t), Timeout: time.Minute, Longest: time.Minute}); err != nil {
		t.Fatal(err)
	}
}
