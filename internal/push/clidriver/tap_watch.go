package clidriver

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
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
	// Both of start_push; nil otherwise.
	pushed  *passingScan[requestfile.Contents]
	started *passingScan[backend.StartAnswer]
}

func newTapWatch(p *tap, stage backend.Stage, r *http.Request) *tapWatch {
	w := &tapWatch{tap: p, x: p.trace.Begin(stage), method: r.Method, path: stage.Path()}
	if stage == backend.StageStartPush {
		w.pushed = scanPassing(decoded(r.Header.Get("Content-Encoding"), requestfile.ScanContents))
		w.started = scanPassing(backend.ScanStartAnswer)
	}
	return w
}

func (w *tapWatch) requestBytes(p []byte) {
	w.sent.Add(int64(len(p)))
	if w.pushed != nil {
		w.pushed.write(p)
	}
}

func (w *tapWatch) answerBytes(p []byte) {
	w.x.Received += int64(len(p))
	switch {
	case w.small():
		if room := maxTapAnswer - len(w.answer); room > 0 {
			w.answer = append(w.answer, p[:min(room, len(p))]...)
		}
	case w.started != nil:
		w.started.write(p)
	}
}

// small reports whether an answer is kept.
func (w *tapWatch) small() bool {
	return w.response.StatusCode/100 != 2 || w.x.Stage == backend.StageWaitForSchema
}

// lost: there was no answer.
func (w *tapWatch) lost(err error) {
	w.x.Sent = w.sent.Load()
	w.finishScans()
	w.x.Fail(diagnosis.Observe(w.x.Stage, backend.NewTransportError(w.method, w.path, err)))
}

// ended is called when the answer was read to its end, or could not be: err.
func (w *tapWatch) ended(err error) {
	w.x.Sent = w.sent.Load()
	started := w.finishScans()
	status := w.response.StatusCode
	switch {
	case !errors.Is(err, io.EOF):
		w.x.Fail(diagnosis.Observe(w.x.Stage, backend.NewTransportError(w.method, w.path, err)))
	case status/100 != 2:
		w.refused(backend.ParseAPIError(w.method, w.path, status, w.answer, w.tap.secrets))
	case w.x.Stage == backend.StageWaitForSchema:
		w.waited(status)
	default:
		if w.x.Stage == backend.StageStartPush {
			w.tap.trace.Started(started)
		}
		w.x.Succeeded(status, false)
	}
}

// finishScans records in the trace what was pushed, and returns the result. What
// could not be read counts for the report only: the backend judges the request,
// and the CLI the answer.
func (w *tapWatch) finishScans() (started backend.StartAnswer) {
	if w.pushed == nil {
		return started
	}
	if contents, err := w.pushed.finish(); err == nil {
		w.tap.trace.Sending(contents.Modules, contents.Changed)
	}
	started, err := w.started.finish()
	if err != nil {
		return backend.StartAnswer{}
	}
	return started
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
