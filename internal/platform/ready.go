package platform

import (
	"sync/atomic"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// webWatch follows the web server's state and keeps readiness in step with it.
type webWatch struct {
	boot   *Boot
	began  time.Time
	finish func(string, error) // ends the stage that is running in the report
	ready  atomic.Bool         // it was ready at least once
}

func (b *Boot) watchWeb() *webWatch {
	return &webWatch{boot: b, began: time.Now(), finish: b.report.Begin(stageServe)}
}

func (w *webWatch) wasReady() bool { return w.ready.Load() }

// observe gets every change of state, in order (supervise.Service.OnState).
func (w *webWatch) observe(state supervise.State) {
	b := w.boot
	switch state {
	case supervise.StateReady:
		first := w.ready.CompareAndSwap(false, true)
		if first {
			w.finish("", nil)
			b.metrics.stageTook(stageReady, time.Since(w.began))
		}
		b.becomeReady(first)
	case supervise.StateRunning:
		if !w.wasReady() {
			w.finish("", nil)
			b.metrics.stageTook(stageServe, time.Since(w.began))
			w.finish = b.report.Begin(stageReady)
		}
		b.notReady("the web server does not answer " + healthPath)
	default:
		b.notReady("the web server is " + state.String())
	}
}

func (b *Boot) becomeReady(first bool) {
	if err := b.markers.SetReady(true); err != nil {
		b.log.Error("cannot say that the platform is ready", logging.Err(err))
		return
	}
	b.ready.Open()
	b.started.Open()
	b.report.Update(func(d *report.Document) { d.State = report.Ready })
	if first {
		b.log.Info("platform is ready", "boot_took", time.Since(b.report.Snapshot().Started), "url", b.settings.Pushed.SiteURL)
	}
}

// notReady closes the gate before the marker goes: who sees the marker may
// still ask the gate.
func (b *Boot) notReady(reason string) {
	b.ready.Close(reason)
	if err := b.markers.SetReady(false); err != nil {
		b.log.Error("cannot say that the platform is not ready", logging.Err(err))
	}
	b.report.Update(func(d *report.Document) {
		if d.State == report.Ready {
			d.State = report.Running
		}
	})
}
