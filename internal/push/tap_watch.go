package push

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// maxTapAnswer limits what is kept of an answer that is looked at as a whole: an
// error, or the answer to a wait_for_schema poll.
const maxTapAnswer = 256 << 10

// tapWatch observes one request of a push.
type tapWatch struct {
	tap      *tap
	x        *exchange
	method   string
	path     string
	response *http.Response
	sent     atomic.Int64 // the transport reads the body on its own goroutine
	answer   []byte
	scan     *answerScan
}

func newTapWatch(p *tap, stage Stage, method string) *tapWatch {
	return &tapWatch{tap: p, x: p.trace.begin(stage), method: method, path: stage.Path()}
}

func (w *tapWatch) requestBytes(p []byte) { w.sent.Add(int64(len(p))) }

func (w *tapWatch) answerBytes(p []byte) {
	w.x.received += int64(len(p))
	switch {
	case w.small():
		if room := maxTapAnswer - len(w.answer); room > 0 {
			w.answer = append(w.answer, p[:min(room, len(p))]...)
		}
	case w.x.stage == StageStartPush:
		if w.scan == nil {
			w.scan = newAnswerScan()
		}
		w.scan.write(p)
	}
}

// small tells answers that are kept from those that are not.
func (w *tapWatch) small() bool {
	return w.response.StatusCode/100 != 2 || w.x.stage == StageWaitForSchema
}

// lost: there was no answer.
func (w *tapWatch) lost(err error) {
	w.x.sent = w.sent.Load()
	w.x.fail(Observe(w.x.stage, NewTransportError(w.method, w.path, err)))
}

// ended: the answer was read to its end, or err says why not.
func (w *tapWatch) ended(err error) {
	w.x.sent = w.sent.Load()
	var scanned startAnswer
	if w.scan != nil {
		scanned = w.scan.finish()
	}
	status := w.response.StatusCode
	switch {
	case !errors.Is(err, io.EOF):
		w.x.fail(Observe(w.x.stage, NewTransportError(w.method, w.path, err)))
	case status/100 != 2:
		w.refused(ParseAPIError(w.method, w.path, status, w.answer))
	case w.x.stage == StageWaitForSchema:
		w.waited(status)
	default:
		if w.x.stage == StageStartPush {
			w.tap.trace.started(scanned)
		}
		w.x.succeeded(status, false)
	}
}

func (w *tapWatch) refused(answer *APIError) {
	w.x.fail(Observe(w.x.stage, answer))
	if answer.Status == http.StatusNotFound && answer.Code == "" && !w.tap.trace.tolerated(w.x.stage) {
		w.tap.gone(answer)
	}
}

func (w *tapWatch) waited(status int) {
	answer, err := w.tap.trace.schemaAnswered(w.answer)
	if err != nil {
		w.x.fail(Observe(w.x.stage, err))
		return
	}
	w.x.succeeded(status, answer.Type == schemaInProgress)
}

// answerScan looks through an answer to start_push while it passes, without
// holding it.
type answerScan struct {
	pipe *io.PipeWriter
	done chan startAnswer
}

func newAnswerScan() *answerScan {
	r, w := io.Pipe()
	s := &answerScan{pipe: w, done: make(chan startAnswer, 1)}
	go func() {
		answer, err := scanStartAnswer(r)
		if err != nil {
			answer = startAnswer{} // counts for the log only; the CLI judges the answer
		}
		_ = r.CloseWithError(io.ErrClosedPipe) // what follows is not waited for
		s.done <- answer
	}()
	return s
}

func (s *answerScan) write(p []byte) { _, _ = s.pipe.Write(p) }

func (s *answerScan) finish() startAnswer {
	_ = s.pipe.Close()
	return <-s.done
}
