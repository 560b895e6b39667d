package trace

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/report"
)

func succeed(t *Trace, stage backend.Stage) { t.Begin(stage).Succeeded(200, false) }
func refuse(t *Trace, stage backend.Stage)  { t.Begin(stage).Fail(diagnosis.Observation{Status: 400}) }
func lose(t *Trace, stage backend.Stage)    { t.Begin(stage).Fail(diagnosis.Observation{}) }

func attempt(t *Trace, steps ...func(t *Trace)) {
	t.Attempt(func() {})
	for _, step := range steps {
		step(t)
	}
}

func at(step func(*Trace, backend.Stage), stage backend.Stage) func(*Trace) {
	return func(t *Trace) { step(t, stage) }
}

func TestWhatAFailedPushHasChanged(t *testing.T) {
	start, wait, finish := backend.StageStartPush, backend.StageWaitForSchema, backend.StageFinishPush
	started := []func(*Trace){at(succeed, start), at(succeed, wait)}
	for name, c := range map[string]struct {
		attempts          [][]func(*Trace)
		pending, applying bool
	}{
		"refused":            {[][]func(*Trace){{at(refuse, start)}}, false, false},
		"waiting":            {[][]func(*Trace){{at(succeed, start), at(lose, wait)}}, true, false},
		"declined":           {[][]func(*Trace){append(started, at(refuse, finish))}, true, false},
		"lost":               {[][]func(*Trace){append(started, at(lose, finish))}, true, true},
		"lost, then refused": {[][]func(*Trace){append(started, at(lose, finish)), {at(refuse, start)}}, true, true},
		"finished":           {[][]func(*Trace){append(started, at(succeed, finish))}, false, false},
	} {
		seen := New(logging.Discard(), nil)
		for _, steps := range c.attempts {
			attempt(seen, steps...)
		}
		want := diagnosis.Changed{Variables: diagnosis.VariablesSynced, SchemaPending: c.pending, Finishing: c.applying}
		if got := seen.Changed(diagnosis.VariablesSynced); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestObservedIsTheLastFailureWithoutASuccessAfterIt(t *testing.T) {
	for name, c := range map[string]struct {
		steps []func(*Trace)
		stage backend.Stage
		seen  bool
	}{
		"nothing yet":  {nil, backend.StageBundle, false},
		"failed":       {[]func(*Trace){at(refuse, backend.StageStartPush)}, backend.StageStartPush, true},
		"repeated":     {[]func(*Trace){at(refuse, backend.StageStartPush), at(succeed, backend.StageStartPush)}, backend.StageStartPush, false},
		"tolerated":    {[]func(*Trace){at(refuse, backend.StageEvaluateSchema)}, backend.StageEvaluateSchema, false},
		"next attempt": {[]func(*Trace){at(refuse, backend.StageStartPush), func(t *Trace) { t.Attempt(func() {}) }}, backend.StageBundle, false},
	} {
		seen := New(logging.Discard(), nil)
		attempt(seen, c.steps...)
		o, failed := seen.Observed()
		if failed != c.seen {
			t.Errorf("%s: a failure: %v", name, failed)
		}
		if o.Stage != c.stage {
			t.Errorf("%s: stage %s", name, o.Stage)
		}
	}
}

// The stage without a request lasts until the first one, or as long as the CLI.
func TestBundleEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*Trace)
		want report.State
	}{
		"by a request":     {at(succeed, backend.StageGetConfigHashes), report.Done},
		"with the process": {(*Trace).ProcessEnded, report.Failed},
		"by nothing":       {func(*Trace) {}, report.Running},
	} {
		seen := New(logging.Discard(), nil)
		seen.Begin(backend.StageBundle)
		c.end(seen)
		if got := seen.Snapshot().Stages[0].State; got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestStagesAddUpTheirRequests(t *testing.T) {
	seen := New(logging.Discard(), nil)
	for more := 2; more >= 0; more-- {
		x := seen.Begin(backend.StageWaitForSchema)
		x.Sent, x.Received = 10, 100
		x.Succeeded(200, more > 0)
		want := map[bool]report.State{true: report.Running, false: report.Done}[more > 0]
		if got := seen.Snapshot().Stages[0].State; got != want {
			t.Errorf("%d to come: %s", more, got)
		}
	}
	stage := seen.Snapshot().Stages[0]
	if stage.Requests != 3 {
		t.Errorf("%d requests", stage.Requests)
	}
	if stage.BytesSent != 30 || stage.BytesReceived != 300 {
		t.Errorf("%d bytes sent, %d received", stage.BytesSent, stage.BytesReceived)
	}
}
