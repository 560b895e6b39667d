package convex

import (
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
)

func (b *Boot) becomeReady() {
	if err := b.markers.SetReady(true); err != nil {
		b.log.Error("cannot say that convex is ready", logging.Err(err))
		return
	}
	b.ready.Open()
	first, _ := b.started.State()
	b.started.Open()
	b.report.Update(func(d *report.Document) { d.State = report.Ready })
	if !first {
		took := time.Since(b.report.Snapshot().Started)
		b.report.Begin(stageReady)("", nil)
		b.metrics.stageTook(stageReady, took)
		b.log.Info("convex is ready", "boot_took", took, "backend", b.settings.Network.backendURL())
	}
}

// notReady closes the gate before the marker goes: who sees the marker may
// still ask the gate.
func (b *Boot) notReady(reason string) {
	b.ready.Close(reason)
	if err := b.markers.SetReady(false); err != nil {
		b.log.Error("cannot say that convex is not ready", logging.Err(err))
	}
	b.report.Update(func(d *report.Document) {
		if d.State == report.Ready {
			d.State = report.Running
		}
	})
}

// drain tells everybody who looks that this backend is about to go. It does not
// wait: nothing else could take the requests over, and the backend finishes
// those it has by itself.
func (b *Boot) drain() {
	b.notReady("stopping")
	if err := b.markers.ShuttingDown(); err != nil {
		b.log.Warn("no shutting-down marker", logging.Err(err))
	}
	b.report.Update(func(d *report.Document) { d.State = report.Draining })
}
