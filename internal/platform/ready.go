package platform

import (
	"errors"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// webWatch follows the web server's state and keeps readiness in step with it.
// The stages serve (its process runs) and ready (it answers) are ended once.
type webWatch struct {
	boot  *Boot
	began time.Time

	mu     sync.Mutex
	finish func(string, error) // ends the stage that is running in the report; nil when both are over
	stage  string
	ready  bool // now
}

func (b *Boot) watchWeb() *webWatch {
	return &webWatch{boot: b, began: time.Now(), stage: stageServe, finish: b.report.Begin(stageServe)}
}

func (w *webWatch) isReady() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready
}

// end ends the stage that is still running when the web server is over.
func (w *webWatch) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var stop *supervise.StopRequested
	if w.finish != nil && errors.As(err, &stop) {
		w.boot.report.Skip(w.stage, "stopped")
	}
	w.finishStage(err)
}

func (w *webWatch) finishStage(err error) {
	if w.finish == nil {
		return
	}
	w.finish("", err)
	w.boot.metrics.stageTook(w.stage, time.Since(w.began))
	w.finish = nil
}

// observe gets every change of state, in order (supervise.Service.OnState).
func (w *webWatch) observe(state supervise.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.boot
	w.ready = state == supervise.StateReady
	switch {
	case b.drained.Load():
		// The health route answers 503 by our own wish, and what is draining does
		// not become ready again.
	case w.ready:
		first := w.finish != nil
		w.finishStage(nil)
		b.becomeReady(first)
	case state == supervise.StateRunning:
		if w.stage == stageServe {
			w.finishStage(nil)
			w.stage, w.finish = stageReady, b.report.Begin(stageReady)
		}
		b.notReady("the web server does not answer " + healthPath)
	default:
		b.notReady("the web server is " + state.String())
	}
}

func (b *Boot) becomeReady(first bool) {
	if err := b.markers.SetReady(true); err != nil {
		b.ready.Close("the ready marker cannot be written: " + err.Error())
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
