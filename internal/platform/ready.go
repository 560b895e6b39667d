package platform

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/place"
)

// webWatch follows the web server's state and keeps readiness in step with it.
// The stages serve (its process runs) and ready (it answers) are ended once.
type webWatch struct {
	boot     *Boot
	wasReady chan struct{} // closed when the web server is ready for the first time

	mu     sync.Mutex
	finish func(string, error) // ends the stage that is running in the report; nil when both are over
	stage  string
	state  supervise.State // now
	ended  string          // why it is started again, and when
}

func (b *Boot) watchWeb() *webWatch {
	return &webWatch{boot: b, wasReady: make(chan struct{}), stage: stageServe, finish: b.Begin(stageServe)}
}

func (w *webWatch) isReady() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state == supervise.StateReady
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
	w.state = state
	switch state {
	case supervise.StateReady:
		if w.finish != nil {
			close(w.wasReady)
		}
		w.finishStage(nil)
		b.Ready("url", b.settings.Pushed.Site.SiteURL)
	case supervise.StateRunning:
		if w.stage == stageServe {
			w.finishStage(nil)
			w.stage, w.finish = stageReady, b.Begin(stageReady)
		}
		b.NotReady("the web server does not answer " + stack.PlatformHealth)
	case supervise.StateBackoff:
		b.NotReady(w.ended)
	default:
		b.NotReady("the web server is " + state.String())
	}
}

// restarts keeps why the web server is started again (supervise.Service.OnRestart).
func (w *webWatch) restarts(reason error, pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = fmt.Sprintf("%v; it is started again in %s; its own lines in the log say why", reason, pause.Round(100*time.Millisecond))
}

// fixSilence returns what to do about a web server that runs and is not healthy. One that was
// healthy before listens where it should.
func (w *webWatch) fixSilence() string {
	select {
	case <-w.wasReady:
		return "read its last lines; " + place.Here().Restart("platform")
	default:
		return "it must listen on PORT, on all addresses, and answer " + stack.PlatformHealth + " with 200, over plain http and without a sign-in or a redirect; its own lines say why it does not; " + place.Here().Restart("platform") + ", if it hangs"
	}
}

// unhealthy has the health check say what the web server's health route answers, if
// it still runs without being ready.
func (w *webWatch) unhealthy(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == supervise.StateRunning {
		w.boot.NotReady("the web server is not healthy at " + stack.PlatformHealth + ": " + reason)
	}
}
