package clidriver

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/trace"
)

// maxTapAnswer limits what is kept of an answer that is looked at as a whole: an
// error, or the answer to a wait_for_schema poll.
const maxTapAnswer = 256 << 10

// tapWatch observes one request of a push.
type tapWatch struct {
	tap      *tap
	x        *trace.Exchange
	method   string
	path     string
	response *http.Response
	sent     atomic.Int64 // the transport reads the body on its own goroutine
	answer   []byte
	scan     *answerScan
}

func newTapWatch(p *tap, stage backend.Stage, method string) *tapWatch {
	return &tapWatch{tap: p, x: p.trace.Begin(stage), method: method, path: stage.Path()}
}

func (w *tapWatch) requestBytes(p []byte) { w.sent.Add(int64(len(p))) }

func (w *tapWatch) answerBytes(p []byte) {
	w.x.Received += int64(len(p))
	switch {
	case w.small():
		if room := maxTapAnswer - len(w.answer); room > 0 {
			w.answer = append(w.answer, p[:min(room, len(p))]...)
		}
	case w.x.Stage == backend.StageStartPush:
		if w.scan == nil {
			w.scan = newAnswerScan()
		}
		w.scan.write(p)
	}
}

// small tells answers that are kept from those that are not.
func (w *tapWatch) small() bool {
	return w.response.StatusCode/100 != 2 || w.x.Stage == backend.StageWaitForSchema
}

// lost: there was no answer.
func (w *tapWatch) lost(err error) {
	w.x.Sent = w.sent.Load()
	w.x.Fail(diagnosis.Observe(w.x.Stage, backend.NewTransportError(w.method, w.path, err)))
}

// ended: the answer was read to its end, or err says why not.
func (w *tapWatch) ended(err error) {
	w.x.Sent = w.sent.Load()
	var scanned backend.StartAnswer
	if w.scan != nil {
		scanned = w.scan.finish()
	}
	status := w.response.StatusCode
	switch {
	case !errors.Is(err, io.EOF):
		w.x.Fail(diagnosis.Observe(w.x.Stage, backend.NewTransportError(w.method, w.path, err)))
	case status/100 != 2:
		w.refused(backend.ParseAPIError(w.method, w.path, status, w.answer))
	case w.x.Stage == backend.StageWaitForSchema:
		w.waited(status)
	default:
		if w.x.Stage == backend.StageStartPush {
			w.tap.trace.Started(scanned)
		}
		w.x.Succeeded(status, false)
	}
}

func (w *tapWatch) refused(answer *backend.APIError) {
	w.x.Fail(diagnosis.Observe(w.x.Stage, answer))
	if answer.Status == http.StatusNotFound && answer.Code == "" && !w.tap.trace.Tolerated(w.x.Stage) {
		w.tap.gone(answer)
	}
}

func (w *tapWatch) waited(status int) {
	answer, err := w.tap.trace.SchemaAnswered(w.answer)
	if err != nil {
		w.x.Fail(diagnosis.Observe(w.x.Stage, err))
		return
	}
	w.x.Succeeded(status, answer.Type == backend.SchemaInProgress)
}

// answerScan looks through an answer to start_push while it passes, without
// holding it.
type answerScan struct {
	pipe *io.PipeWriter
	done chan backend.StartAnswer
}

func newAnswerScan() *answerScan {
	r, w := io.Pipe()
	s := &answerScan{pipe: w, done: make(chan backend.StartAnswer, 1)}
	go func() {
		answer, err := backend.ScanStartAnswer(r)
		if err != nil {
			answer = backend.StartAnswer{} // counts for the log only; the CLI judges the answer
		}
		_ = r.CloseWithError(io.ErrClosedPipe) // what follows is not waited for
		s.done <- answer
	}()
	return s
}

func (s *answerScan) write(p []byte) { _, _ = s.pipe.Write(p) }

func (s *answerScan) finish() backend.StartAnswer {
	_ = s.pipe.Close()
	return <-s.done
}
