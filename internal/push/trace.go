package push

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
)

// trace is what is known about a running push: both drivers tell it what they see
// on the wire, the log, the report, the limits and the failure are made of it. Its
// methods may be called from several goroutines.
type trace struct {
	log      *slog.Logger
	onChange func(report.Deploy)

	mu       sync.Mutex
	deploy   report.Deploy
	current  Stage
	bundling *exchange    // the bundle stage, while it runs
	failed   *Observation // the last request that failed and was not made good since
	progress backfillProgress
	indexes  []newIndex // that the push adds
	// What the deployment has seen of this attempt.
	schemaPending, finishing, finished bool
	advanced                           func() // the indexes made progress
}

func newTrace(log *slog.Logger, onChange func(report.Deploy)) *trace {
	if onChange == nil {
		onChange = func(report.Deploy) {}
	}
	return &trace{log: log, onChange: onChange, current: StageBundle, advanced: func() {}}
}

// choose records which driver pushes.
func (t *trace) choose(driver string) { t.update(func() { t.deploy.Driver = driver }) }

// skip records that nothing is pushed, and why not.
func (t *trace) skip(reason string, modules int) {
	t.update(func() { t.deploy.Skipped, t.deploy.Modules = reason, modules })
}

// attempt starts the record of another attempt. A schema that an earlier attempt
// left pending stays pending, and a finish_push without an answer may have been
// applied until another one is answered.
func (t *trace) attempt(advanced func()) {
	t.update(func() {
		t.deploy.Attempts++
		t.deploy.Stages, t.deploy.Indexes = nil, nil
		t.current, t.failed, t.progress = StageBundle, nil, backfillProgress{}
		t.finished, t.advanced = false, advanced
	})
}

func (t *trace) update(change func()) {
	t.mu.Lock()
	change()
	deploy := t.deploy
	deploy.Stages = slices.Clone(deploy.Stages)
	t.mu.Unlock()
	t.onChange(deploy)
}

// snapshot returns the report of the push so far.
func (t *trace) snapshot() report.Deploy {
	t.mu.Lock()
	defer t.mu.Unlock()
	deploy := t.deploy
	deploy.Stages = slices.Clone(deploy.Stages)
	return deploy
}

// stage is the one that runs or ran last.
func (t *trace) stage() Stage {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// timedOut names what it means that the time for the present stage ran out.
func (t *trace) timedOut() Condition {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == StageWaitForSchema && t.progress.waiting() {
		return ConditionStalled
	}
	return ConditionStageTimeout
}

// exchange is one request of a push, or a stage without a request.
type exchange struct {
	sent, received int64 // bytes; set before the end of the exchange

	trace *trace
	stage Stage
	began time.Time
}

// begin says that a stage's request begins.
func (t *trace) begin(stage Stage) *exchange {
	x := &exchange{trace: t, stage: stage, began: time.Now()}
	t.update(func() {
		t.endBundle(report.Done)
		if stage == StageBundle {
			t.bundling = x
		}
		t.current = stage
		s := t.entry(stage)
		s.State = report.Running
		if stage.Path() != "" {
			s.Requests++
		}
		if stage == StageFinishPush {
			t.finishing = true
		}
	})
	return x
}

// entry is the stage's line in the report; t.mu is held.
func (t *trace) entry(stage Stage) *report.PushStage {
	for i := range t.deploy.Stages {
		if t.deploy.Stages[i].Name == string(stage) {
			return &t.deploy.Stages[i]
		}
	}
	t.deploy.Stages = append(t.deploy.Stages, report.PushStage{Name: string(stage)})
	return &t.deploy.Stages[len(t.deploy.Stages)-1]
}

// succeeded says that the request was answered well. more: the stage is not over.
func (x *exchange) succeeded(status int, more bool) {
	x.end(status, report.Done, more, func(t *trace) {
		t.failed = nil
		switch x.stage {
		case StageStartPush:
			t.schemaPending = true
		case StageFinishPush:
			t.schemaPending, t.finishing, t.finished = false, false, true
		}
	})
}

// fail says that the request failed, as observed.
func (x *exchange) fail(o Observation) {
	o.Stage = x.stage
	x.end(o.Status, report.Failed, false, func(t *trace) {
		if t.tolerated(x.stage) {
			return
		}
		t.failed = &o
		if x.stage == StageFinishPush && o.Status != 0 {
			t.finishing = false // refused, so not applied
		}
	})
}

// tolerated reports stages whose failure the CLI gets over by another request:
// most backends do not know evaluate_schema.
func (t *trace) tolerated(stage Stage) bool { return stage == StageEvaluateSchema }

func (x *exchange) end(status int, state report.State, more bool, then func(*trace)) {
	t := x.trace
	var line report.PushStage
	t.update(func() {
		s := t.entry(x.stage)
		s.DurationMS += time.Since(x.began).Milliseconds()
		s.BytesSent += x.sent
		s.BytesReceived += x.received
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
		slog.String("stage", line.Name), slog.Duration("took", time.Duration(line.DurationMS)*time.Millisecond),
		slog.Int64("sent", line.BytesSent), slog.Int64("received", line.BytesReceived), slog.Int("status", status))
}

// observed returns the failure that ended the attempt, as far as the wire tells.
func (t *trace) observed() (Observation, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		return Observation{Stage: t.current, Progress: t.progress.Progress}, false
	}
	o := *t.failed
	o.Progress = t.progress.Progress
	return o, true
}

// changed says what the push has done to the deployment.
func (t *trace) changed(variables VariableState) Changed {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Changed{Variables: variables, SchemaPending: t.schemaPending, Finishing: t.finishing}
}

// endBundle ends the bundle stage, if it runs; t.mu is held. It has no request
// that would end it: it lasts until the first one, or as long as the CLI.
func (t *trace) endBundle(state report.State) {
	if t.bundling != nil {
		s := t.entry(StageBundle)
		s.State, s.DurationMS = state, time.Since(t.bundling.began).Milliseconds()
		t.bundling = nil
	}
}

// sending records what start_push will be sent.
func (t *trace) sending(modules, changed int) {
	t.update(func() { t.deploy.Modules, t.deploy.Changed = modules, changed })
}

// processEnded ends the stage without a request, unless a request has ended it.
func (t *trace) processEnded() {
	t.update(func() { t.endBundle(report.Failed) })
}

// isFinished tells whether finish_push was answered well in this attempt.
func (t *trace) isFinished() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.finished
}

// started records what the answer to start_push tells.
func (t *trace) started(answer startAnswer) {
	t.update(func() {
		t.indexes = answer.indexes
		t.deploy.Functions = answer.functions
		if t.deploy.Modules == 0 {
			t.deploy.Modules = answer.modules
		}
	})
	if len(answer.indexes) > 0 {
		t.log.Info("the push adds indexes", slog.Int("count", len(answer.indexes)), slog.Any("indexes", answer.indexes))
	}
}
