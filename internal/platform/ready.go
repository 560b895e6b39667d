package platform

import (
	"errors"
	"sync"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
)

// webWatch follows the web server's state and keeps readiness in step with it.
// The stages serve (its process runs) and ready (it answers) are ended once.
type webWatch struct {
	boot     *Boot
	wasReady chan struct{} // closed when the web server is ready for the first time

	mu     sync.Mutex
	finish func(string, error) // ends the stage that is running in the report; nil when both are over
	stage  string
	ready  bool // now
}

func (b *Boot) watchWeb() *webWatch {
	return &webWatch{boot: b, wasReady: make(chan struct{}), stage: stageServe, finish: b.Begin(stageServe)}
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
		w.boot.Skip(w.stage, "stopped")
	}
	w.finishStage(err)
}

func (w *webWatch) finishStage(err error) {
	if w.finish == nil {
		return
	}
	w.finish("", err)
	w.finish = nil
}

// observe gets every change of state, in order (supervise.Service.OnState).
func (w *webWatch) observe(state supervise.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.boot
	w.ready = state == supervise.StateReady
	switch {
	case w.ready:
		if w.finish != nil {
			close(w.wasReady)
		}
		w.finishStage(nil)
		b.Ready("url", b.settings.Pushed.Site.SiteURL)
	case state == supervise.StateRunning:
		if w.stage == stageServe {
			w.finishStage(nil)
			w.stage, w.finish = stageReady, b.Begin(stageReady)
		}
		b.NotReady("the web server does not answer " + stack.PlatformHealth)
	default:
		b.NotReady("the web server is " + state.String())
	}
}
