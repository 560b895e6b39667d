package boot

import (
	"context"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
)

// Stage is one step of a boot. Its detail says in a few words what came of it.
// It must return soon after its context has ended.
type Stage struct {
	Name string
	Run  func(context.Context) (detail string, err error)
	// Changes says that it changes what outlives the container.
	Changes bool
}

func (b *Lifecycle) runStage(ctx context.Context, s Stage) error {
	if err := context.Cause(ctx); err != nil {
		b.Skip(s.Name, "stopped")
		return err
	}
	began, finish := time.Now(), b.Begin(s.Name)
	b.log.Debug("stage begins", "stage", s.Name)
	detail, err := s.Run(ctx)
	if stopRequested(ctx, err) != nil {
		b.Skip(s.Name, "stopped")
	}
	finish(detail, err)
	if err == nil {
		b.log.Info("stage "+s.Name+" done", "took", time.Since(began), "result", detail)
	}
	return err
}

// Begin shows everywhere that a stage is running and returns the function that
// ends it. The boot does so for the stages of a plan, the service for those
// that it goes through while it serves.
func (b *Lifecycle) Begin(stage string) (end func(detail string, err error)) {
	b.waits("stage " + stage)
	began, finish := time.Now(), b.report.Begin(stage)
	return func(detail string, err error) {
		finish(detail, err)
		b.metrics.stageTook(stage, time.Since(began))
	}
}

// Skip marks a stage as not needed.
func (b *Lifecycle) Skip(stage, why string) { b.report.Skip(stage, why) }

// Attempt counts one more try of a stage.
func (b *Lifecycle) Attempt(stage string) { b.report.Attempt(stage) }

// SetAttempts says how often a stage was tried, where it counts itself.
func (b *Lifecycle) SetAttempts(stage string, n int) { b.report.SetAttempts(stage, n) }

// Update changes the report.
func (b *Lifecycle) Update(change func(*report.Document)) { b.report.Update(change) }

// Report returns a copy of the report as it is now.
func (b *Lifecycle) Report() report.Document { return b.report.Snapshot() }
