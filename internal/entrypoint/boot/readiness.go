package boot

import (
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/health"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
)

// readiness is what probes, health checks and the web server look at.
type readiness struct {
	markers health.Markers
	ours    bool // the markers; a job has none

	ready   health.Gate
	started health.Gate

	mu       sync.Mutex
	draining bool // readiness does not come back
}

func (r *readiness) init(markers health.Markers, ours bool) {
	r.markers, r.ours = markers, ours
	r.waits("starting")
}

// waits records why the boot is not further yet. It does not take back what was
// ready or started once.
func (r *readiness) waits(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ready, _ := r.ready.State(); !ready && !r.draining {
		r.ready.Close(reason)
	}
	if started, _ := r.started.State(); !started {
		r.started.Close(reason)
	}
}

func (r *readiness) clear() error {
	if !r.ours {
		return nil
	}
	return r.markers.Clear()
}

// Ready says everywhere that the service takes traffic. The first time it is
// logged, with the facts. After Drain it does nothing.
func (b *Lifecycle) Ready(facts ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		return
	}
	if err := b.markers.SetReady(true); err != nil {
		b.ready.Close("the ready marker cannot be written: " + err.Error())
		b.log.Error("cannot say that "+b.options.Service+" is ready", "error", err)
		return
	}
	again, _ := b.started.State()
	b.ready.Open()
	b.started.Open()
	b.Update(func(d *report.Document) { d.State = report.Ready })
	if !again {
		took := time.Since(b.Report().Started)
		b.metrics.bootSeconds.Set(took.Seconds())
		b.log.Info(b.options.Service+" is ready", append([]any{"boot_took", took}, facts...)...)
	}
}

// NotReady says everywhere that the service takes no traffic, and why.
func (b *Lifecycle) NotReady(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.draining {
		b.notReady(reason)
	}
}

// notReady closes the gate before the marker goes: who sees the marker may
// still ask the gate.
func (b *Lifecycle) notReady(reason string) {
	b.ready.Close(reason)
	if !b.ours {
		return
	}
	if err := b.markers.SetReady(false); err != nil {
		b.log.Error("cannot say that "+b.options.Service+" is not ready", "error", err)
	}
	b.Update(func(d *report.Document) {
		if d.State == report.Ready {
			d.State = report.Running
		}
	})
}

// over says everywhere that this boot has come to its end.
func (b *Lifecycle) over(reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notReady(reason)
}

// Waits shows why a stage is not over yet.
func (b *Lifecycle) Waits(stage, reason string) { b.waits("stage " + stage + ": " + reason) }

// Shown returns a wait of a stage whose attempts are shown, and why it is not over yet.
func (b *Lifecycle) Shown(stage string, w health.Wait) health.Wait {
	w.OnAttempt = func(int) { b.Attempt(stage) }
	w.OnFailure = func(err error) { b.Waits(stage, w.What+": "+netcause.Reason(err)) }
	return w
}

// Drain says everywhere that the service is about to go, for good.
func (b *Lifecycle) Drain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.draining = true
	b.notReady("draining")
	if err := b.markers.ShuttingDown(); err != nil {
		b.log.Warn("cannot write the shutting-down marker", "error", err)
	}
	b.Update(func(d *report.Document) { d.State = report.Draining })
}
