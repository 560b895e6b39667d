package nativedriver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tale-project/tale-runtime/internal/cli/version"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/push/trace"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

const (
	// schemaPoll is how long the backend may hold a wait_for_schema (its own
	// default, and what the CLI sends).
	schemaPoll = 10 * time.Second
	// schemaPause is waited before the next poll when the backend did not hold the
	// last one for at least as long.
	schemaPause = 250 * time.Millisecond
	// maxAnswer limits an answer. That to start_push grows with the app, but holds
	// none of its code, and the backend takes at most 200 MB of that.
	maxAnswer = 64 << 20
)

// Driver pushes a prebuilt request. It does what `convex deploy` does after
// bundling, without evaluate_push: the CLI asks that only to warn a person of
// deleted indexes, and it costs the backend a second evaluation of all code.
type Driver struct {
	Log    *slog.Logger
	Client *backend.Client
	File   *requestfile.File
	Trace  *trace.Trace
	// Timeout is the time without progress that ends an attempt; the backend is
	// asked for progress more often than that.
	Timeout time.Duration
	// RecordKey makes the admin key of finish_push from the variables that the code
	// was evaluated with; nil: the client's own key.
	RecordKey func(ctx context.Context, variables map[string]string) string

	identity bool // the backend refused brotli
	all      bool // send every module
	// What start_push answered, kept so that a later stage can be repeated alone.
	answer []byte
	parts  backend.StartAnswer
}

// Name returns what CONVEX_DEPLOY_DRIVER calls the driver.
func (d *Driver) Name() string { return "native" }

// Push does one attempt.
func (d *Driver) Push(ctx context.Context) error {
	if d.answer == nil {
		if err := d.start(ctx); err != nil {
			return err
		}
	}
	if err := d.waitForSchema(ctx); err != nil {
		return err
	}
	return d.finish(ctx)
}

// Failed decides what of this attempt the next one can use: a push whose last
// request may be repeated goes on from there, any other starts again.
func (d *Driver) Failed(o diagnosis.Observation, retry diagnosis.Retry) {
	repeat := retry == diagnosis.RetrySame && (o.Stage == backend.StageWaitForSchema || o.Stage == backend.StageFinishPush)
	if !repeat {
		d.answer = nil
	}
}

// SendAll has the next attempts send every module with its source, or no more so:
// they do not even ask which ones the deployment has.
func (d *Driver) SendAll(all bool) { d.all = all }

// Evidence returns nothing: there is no process.
func (d *Driver) Evidence() []string { return nil }

func (d *Driver) start(ctx context.Context) error {
	if d.all {
		return d.startPush(ctx, nil)
	}
	deployed, err := d.hashes(ctx)
	if err != nil {
		return err
	}
	err = d.startPush(ctx, deployed)
	if isHashConflict(err) {
		d.Log.Warn("the deployment's modules changed since it was asked for them; sending all modules", "error", err)
		err = d.startPush(ctx, nil)
	}
	return err
}

// isHashConflict recognises the four codes that say that a hash was sent of a
// module that the deployment does not have so any more.
func isHashConflict(err error) bool {
	var answer *backend.APIError
	return errors.As(err, &answer) && answer.Status == http.StatusConflict
}

// hashes asks for the modules that need not be sent.
func (d *Driver) hashes(ctx context.Context) (map[string]backend.ModuleHash, error) {
	body, err := json.Marshal(map[string]string{"version": d.File.Index.UDFServerVersion, "adminKey": d.Client.AdminKey()})
	if err != nil {
		return nil, err
	}
	var deployed map[string]backend.ModuleHash
	_, err = d.postBytes(ctx, backend.StageGetConfigHashes, body, func(answer []byte) (more bool, err error) {
		deployed, err = backend.ParseConfigHashes(answer)
		return false, err
	})
	if err == nil {
		d.Trace.Deployed(len(deployed))
	}
	return deployed, err
}

func (d *Driver) startPush(ctx context.Context, deployed map[string]backend.ModuleHash) error {
	body, changed, err := startBody(d.File, d.Client.AdminKey(), deployed)
	if err != nil {
		return err
	}
	if body.pieces, err = d.File.Pieces(); err != nil {
		d.Log.Debug("the push is compressed now", "reason", err)
	}
	d.Trace.Sending(len(d.File.Index.Functions()), changed)
	var parts backend.StartAnswer
	answer, err := d.send(ctx, backend.StageStartPush, body, func(answer []byte) (more bool, err error) {
		if parts, err = backend.ScanStartAnswer(bytes.NewReader(answer)); err != nil {
			err = &backend.UnexpectedAnswerError{Method: http.MethodPost, Path: backend.StageStartPush.Path(), Problem: err.Error()}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	d.answer, d.parts = answer, parts
	d.Trace.Started(parts)
	return nil
}

func (d *Driver) waitForSchema(ctx context.Context) error {
	key, err := json.Marshal(d.Client.AdminKey())
	if err != nil {
		return err
	}
	change := d.answer[d.parts.SchemaChange.Start:d.parts.SchemaChange.End]
	hold := min(schemaPoll, d.Timeout/3)
	body := fmt.Appendf(nil, `{"adminKey":%s,"schemaChange":%s,"timeoutMs":%d,"dryRun":false}`, key, change, hold.Milliseconds())
	for {
		began := time.Now()
		more := false
		_, err := d.postBytes(ctx, backend.StageWaitForSchema, body, func(answer []byte) (bool, error) {
			status, err := d.Trace.SchemaAnswered(answer)
			more = status.Type == backend.SchemaInProgress
			return more, err
		})
		if err != nil || !more {
			return err
		}
		if !pause.For(ctx, schemaPause-time.Since(began)) {
			return ctx.Err()
		}
	}
}

func (d *Driver) finish(ctx context.Context) error {
	key := d.Client.AdminKey()
	if d.RecordKey != nil {
		var variables map[string]string
		if err := json.Unmarshal(d.answer[d.parts.Variables.Start:d.parts.Variables.End], &variables); err == nil {
			key = d.RecordKey(ctx, variables)
		}
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return err
	}
	message, err := json.Marshal(pushMessage(d.File))
	if err != nil {
		return err
	}
	body := &body{}
	body.literal(fmt.Appendf(nil, `{"adminKey":%s,"startPush":`, quoted))
	body.literal(d.answer)
	body.literal(fmt.Appendf(nil, `,"dryRun":false,"message":%s}`, message))
	_, err = d.send(ctx, backend.StageFinishPush, body, isObject)
	return err
}

// isObject refuses what something in between has answered in the backend's place.
func isObject(answer []byte) (more bool, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(answer), []byte("{")) && json.Valid(answer) {
		return false, nil
	}
	return false, &backend.UnexpectedAnswerError{Method: http.MethodPost, Path: backend.StageFinishPush.Path(), Problem: "it is not the JSON of a Convex backend"}
}

// pushMessage returns what a backend that keeps messages (since 2026-04) shows in its
// audit log.
func pushMessage(file *requestfile.File) string {
	return fmt.Sprintf("tale-runtime %s, request %.12s", version.String(), file.Digest())
}

// send posts a body that may be large, compressed unless the backend refused that.
func (d *Driver) send(ctx context.Context, stage backend.Stage, body *body, check answerCheck) ([]byte, error) {
	var encoding string
	answer, err := d.post(ctx, stage, func() (r backend.Request) {
		r.Body, r.Length, r.Encoding = body.open(ctx, !d.identity)
		encoding = r.Encoding
		return r
	}, check)
	var refused *backend.APIError
	if encoding != "" && errors.As(err, &refused) && refused.Status == http.StatusUnsupportedMediaType {
		d.Log.Warn("the backend does not decode brotli; sending the push uncompressed")
		d.identity = true
		return d.send(ctx, stage, body, check)
	}
	return answer, err
}

// postBytes posts a small body.
func (d *Driver) postBytes(ctx context.Context, stage backend.Stage, body []byte, check answerCheck) ([]byte, error) {
	return d.post(ctx, stage, func() backend.Request {
		return backend.Request{Body: bytes.NewReader(body), Length: int64(len(body))}
	}, check)
}

// answerCheck looks at a 2xx answer: it may turn out to be an error, or to leave
// the stage unfinished.
type answerCheck func(answer []byte) (more bool, err error)

// post does one request of the push and records it in the trace. Making the request
// is part of the stage: compression takes as long as the rest of it.
func (d *Driver) post(ctx context.Context, stage backend.Stage, make func() backend.Request, check answerCheck) ([]byte, error) {
	x := d.Trace.Begin(stage)
	r := make()
	r.Method, r.Path = http.MethodPost, stage.Path()
	sent := &countedBody{Reader: r.Body}
	if r.Length == 0 {
		r.Body = sent
	}
	answer, status, err := d.exchange(ctx, r)
	x.Sent = r.Length + sent.count.Load()
	x.Received = int64(len(answer))
	more := false
	if err == nil && check != nil {
		more, err = check(answer)
	}
	if err != nil {
		x.Fail(diagnosis.Observe(stage, err))
		return nil, err
	}
	x.Succeeded(status, more)
	return answer, nil
}

func (d *Driver) exchange(ctx context.Context, r backend.Request) ([]byte, int, error) {
	response, err := d.Client.Do(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := backend.ReadAnswer(r, response, maxAnswer)
	return answer, response.StatusCode, err
}

// countedBody counts what is sent of a body of unknown length. Its count may be read while the
// transport still sends.
type countedBody struct {
	io.Reader
	count atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.count.Add(int64(n))
	return n, err
}

// Close ends whatever makes the body.
func (b *countedBody) Close() error {
	if closer, is := b.Reader.(io.Closer); is {
		return closer.Close()
	}
	return nil
}
