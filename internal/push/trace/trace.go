package trace

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/report"
)

// Trace is what is known about a running push: both drivers tell it what they see
// on the wire, the log, the report, the limits and the failure are made of it. Its
// methods may be called from several goroutines.
type Trace struct {
	log      *slog.Logger
	onChange func(Deploy)

	mu       sync.Mutex
	deploy   Deploy
	current  backend.Stage
	bundling *Exchange              // the bundle stage, while it runs
	failed   *diagnosis.Observation // the last request that failed, unless a later one succeeded
	progress backfillProgress
	indexes  []backend.AddedIndex // that the push adds
	first    bool                 // the deployment has no modules yet
	// What the deployment has seen of this attempt.
	schemaPending, finishing, finished bool
	advanced                           func() // the indexes made progress
}

// New returns the trace of a push. onChange, which may be nil, gets the report at
// every change of it, from any goroutine.
func New(log *slog.Logger, onChange func(Deploy)) *Trace {
	if onChange == nil {
		onChange = func(Deploy) {}
	}
	return &Trace{log: log, onChange: onChange, current: backend.StageBundle, advanced: func() {}}
}

// Choose records which driver pushes.
func (t *Trace) Choose(driver string) { t.update(func() { t.deploy.Driver = driver }) }

// Skip records that nothing is pushed, why not, and what ran.
func (t *Trace) Skip(reason, ran string, modules int) {
	t.update(func() { t.deploy.Skipped, t.deploy.Ran, t.deploy.Modules = reason, ran, modules })
}

// Deployed records how many modules the deployment has before the push.
func (t *Trace) Deployed(modules int) {
	t.update(func() { t.first = modules == 0 })
}

// Attempt starts the record of another attempt. A schema that an earlier attempt
// left pending stays pending, and a finish_push without an answer may have been
// applied until another one is answered.
func (t *Trace) Attempt(advanced func()) {
	t.update(func() {
		t.deploy.Attempts++
		t.deploy.Stages, t.deploy.Indexes, t.deploy.Added = nil, nil, nil
		t.current, t.failed, t.progress = backend.StageBundle, nil, backfillProgress{}
		t.finished, t.advanced = false, advanced
	})
}

func (t *Trace) update(change func()) {
	t.mu.Lock()
	change()
	deploy := t.deploy
	deploy.Stages = slices.Clone(deploy.Stages)
	t.mu.Unlock()
	t.onChange(deploy)
}

// Snapshot returns the report of the push so far.
func (t *Trace) Snapshot() Deploy {
	t.mu.Lock()
	defer t.mu.Unlock()
	deploy := t.deploy
	deploy.Stages = slices.Clone(deploy.Stages)
	return deploy
}

// Stage returns the one that runs or ran last.
func (t *Trace) Stage() backend.Stage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// TimedOut returns the condition of an attempt whose time ran out in this stage.
func (t *Trace) TimedOut() diagnosis.Condition {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == backend.StageWaitForSchema && t.progress.waiting() {
		return diagnosis.ConditionStalled
	}
	return diagnosis.ConditionStageTimeout
}

// Exchange is one request of a push, or a stage without a request.
type Exchange struct {
	Sent, Received int64 // bytes; set before the end of the exchange

	trace *Trace
	Stage backend.Stage
	began time.Time
}

// Begin records that a stage's request begins.
func (t *Trace) Begin(stage backend.Stage) *Exchange {
	x := &Exchange{trace: t, Stage: stage, began: time.Now()}
	t.update(func() {
		t.endBundle(report.Done)
		if stage == backend.StageBundle {
			t.bundling = x
		}
		t.current = stage
		s := t.entry(stage)
		s.State = report.Running
		if stage.Path() != "" {
			s.Requests++
		}
		if stage == backend.StageFinishPush {
			t.finishing = true
		}
	})
	return x
}

// entry returns the stage's line in the report; t.mu is held.
func (t *Trace) entry(stage backend.Stage) *PushStage {
	if known := t.entryOf(stage); known != nil {
		return known
	}
	began := time.Now()
	t.deploy.Stages = append(t.deploy.Stages, PushStage{Name: string(stage), Started: &began})
	return &t.deploy.Stages[len(t.deploy.Stages)-1]
}

// entryOf returns nil for a stage that has not begun.
func (t *Trace) entryOf(stage backend.Stage) *PushStage {
	for i := range t.deploy.Stages {
		if t.deploy.Stages[i].Name == string(stage) {
			return &t.deploy.Stages[i]
		}
	}
	return nil
}

// Succeeded records that the request succeeded. more: the stage is not over.
func (x *Exchange) Succeeded(status int, more bool) {
	x.end(status, report.Done, more, func(t *Trace) {
		t.failed = nil
		switch x.Stage {
		case backend.StageStartPush:
			t.schemaPending = true
		case backend.StageFinishPush:
			t.schemaPending, t.finishing, t.finished = false, false, true
		}
	})
}

// Fail records that the request failed, as observed.
func (x *Exchange) Fail(o diagnosis.Observation) {
	o.Stage = x.Stage
	x.end(o.Status, report.Failed, false, func(t *Trace) {
		if t.Tolerated(x.Stage) {
			return
		}
		t.failed = &o
		if x.Stage == backend.StageFinishPush && o.Status != 0 {
			t.finishing = false // refused, so not applied
		}
	})
}

// Tolerated reports whether the CLI recovers from a failure of the stage by another request:
// most backends do not know evaluate_schema.
func (t *Trace) Tolerated(stage backend.Stage) bool { return stage == backend.StageEvaluateSchema }

func (x *Exchange) end(status int, state report.State, more bool, then func(*Trace)) {
	t := x.trace
	var line PushStage
	t.update(func() {
		s := t.entry(x.Stage)
		s.DurationMS += time.Since(x.began).Milliseconds()
		s.BytesSent += x.Sent
		s.BytesReceived += x.Received
		s.Status = status
		if !more {
			s.State = state
		}
		then(t)
		line = *s
	})
	log := t.log.Info
	if more || state == report.Failed {
		log = t.log.Debug // the failure has a message of its own
	}
	log("push stage "+string(state),
		"stage", line.Name, "took", time.Duration(line.DurationMS)*time.Millisecond,
		"sent", line.BytesSent, "received", line.BytesReceived, "status", status)
}

// Observed returns the failure that ended the attempt, as seen on the wire.
func (t *Trace) Observed() (diagnosis.Observation, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		return diagnosis.Observation{Stage: t.current, Progress: t.progress.Progress, First: t.first}, false
	}
	o := *t.failed
	o.Progress, o.First = t.progress.Progress, t.first
	return o, true
}

// Changed returns what the push has done to the deployment.
func (t *Trace) Changed(variables diagnosis.VariableState) diagnosis.Changed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return diagnosis.Changed{Variables: variables, SchemaPending: t.schemaPending, Finishing: t.finishing}
}

// endBundle ends the bundle stage, if it runs; t.mu is held. It has no request
// that would end it: it lasts until the first one, or as long as the CLI.
func (t *Trace) endBundle(state report.State) {
	if t.bundling != nil {
		s := t.entry(backend.StageBundle)
		s.State, s.DurationMS = state, time.Since(t.bundling.began).Milliseconds()
		t.bundling = nil
	}
}

// Sending records how many of the modules of the app's functions start_push is
// sent with their source.
func (t *Trace) Sending(modules, changed int) {
	t.update(func() { t.deploy.Modules, t.deploy.Changed = modules, &changed })
}

// ProcessEnded ends the stage without a request, unless a request has ended it.
func (t *Trace) ProcessEnded() {
	t.update(func() { t.endBundle(report.Failed) })
}

// IsFinished reports whether finish_push succeeded in this attempt.
func (t *Trace) IsFinished() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.finished
}

// Started records the answer to start_push.
func (t *Trace) Started(answer backend.StartAnswer) {
	t.update(func() {
		t.indexes = answer.Indexes
		if n := len(t.indexes); n > 0 {
			t.deploy.Indexes = &IndexProgress{Total: n}
			t.deploy.Added = addedNames(t.indexes)
		}
		t.deploy.Functions = answer.Functions
		if t.deploy.Modules == 0 {
			t.deploy.Modules = answer.Modules
		}
	})
	if len(answer.Indexes) > 0 {
		t.log.Info("the push adds indexes", "count", len(answer.Indexes), "indexes", logging.Few(answer.Indexes))
		t.log.Debug("all of them", "indexes", answer.Indexes)
	}
}

func addedNames(indexes []backend.AddedIndex) []string {
	names := make([]string, len(indexes))
	for i, index := range indexes {
		names[i] = index.String()
	}
	return names
}
