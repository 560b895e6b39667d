package push

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

	"github.com/tale-project/tale-runtime/internal/version"
)

const (
	// schemaPoll is how long the backend may hold a wait_for_schema (its own
	// default, and what the CLI sends).
	schemaPoll = 10 * time.Second
	// schemaPause is waited before the next poll when the backend did not hold the
	// last one for at least as long.
	schemaPause = 250 * time.Millisecond
	// maxStartAnswer limits the answer to start_push, which grows with the app.
	maxStartAnswer = 256 << 20
)

// nativeDriver pushes a prebuilt request. It does what `convex deploy` does after
// bundling, without evaluate_push: the CLI asks that only to warn a person of
// deleted indexes, and it costs the backend a second evaluation of all code.
type nativeDriver struct {
	log    *slog.Logger
	client *Client
	file   *RequestFile
	trace  *trace
	// timeout is the time without progress that ends an attempt; the backend is
	// asked for progress more often than that.
	timeout time.Duration
	// recordKey makes the admin key of finish_push (see pushRecord); nil: none.
	recordKey func(ctx context.Context, variables map[string]string) string

	identity bool // the backend refused brotli
	// What start_push answered, kept so that a later stage can be repeated alone.
	answer []byte
	parts  startAnswer
}

// name is what CONVEX_DEPLOY_DRIVER calls the driver.
func (d *nativeDriver) name() string { return "native" }

// push does one attempt.
func (d *nativeDriver) push(ctx context.Context) error {
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

// failed decides what of this attempt the next one can use: a push whose last
// request may be repeated goes on from there, any other starts again.
func (d *nativeDriver) failed(o Observation, diagnosis Diagnosis) {
	repeat := diagnosis.Retry == RetrySame && (o.Stage == StageWaitForSchema || o.Stage == StageFinishPush)
	if !repeat {
		d.answer = nil
	}
}

// evidence is empty: there is no process.
func (d *nativeDriver) evidence() []string { return nil }

func (d *nativeDriver) start(ctx context.Context) error {
	deployed, err := d.hashes(ctx)
	if err != nil {
		return err
	}
	err = d.startPush(ctx, deployed)
	if isHashConflict(err) {
		d.log.Warn("the deployment's modules changed since it was asked for them; sending all modules", slog.Any("error", err))
		err = d.startPush(ctx, nil)
	}
	return err
}

// isHashConflict recognises the four codes that say that a hash was sent of a
// module that the deployment does not have so any more.
func isHashConflict(err error) bool {
	var answer *APIError
	return errors.As(err, &answer) && answer.Status == http.StatusConflict
}

// hashes asks for the modules that need not be sent.
func (d *nativeDriver) hashes(ctx context.Context) (map[string]ModuleHash, error) {
	body, err := json.Marshal(map[string]string{"version": d.file.Index.UDFServerVersion, "adminKey": d.client.AdminKey()})
	if err != nil {
		return nil, err
	}
	var deployed map[string]ModuleHash
	_, err = d.postBytes(ctx, StageGetConfigHashes, body, func(answer []byte) (more bool, err error) {
		deployed, err = parseConfigHashes(answer)
		return false, err
	})
	return deployed, err
}

func (d *nativeDriver) startPush(ctx context.Context, deployed map[string]ModuleHash) error {
	body, changed, err := startBody(d.file, d.client.AdminKey(), deployed)
	if err != nil {
		return err
	}
	d.trace.sending(len(d.file.Index.Modules), changed)
	var parts startAnswer
	answer, err := d.send(ctx, StageStartPush, body, func(answer []byte) (more bool, err error) {
		if parts, err = scanStartAnswer(bytes.NewReader(answer)); err != nil {
			err = &UnexpectedAnswerError{Method: http.MethodPost, Path: StageStartPush.Path(), Problem: err.Error()}
		}
		return false, err
	})
	if err != nil {
		return err
	}
	d.answer, d.parts = answer, parts
	d.trace.started(parts)
	return nil
}

func (d *nativeDriver) waitForSchema(ctx context.Context) error {
	key, err := json.Marshal(d.client.AdminKey())
	if err != nil {
		return err
	}
	change := d.answer[d.parts.schemaChange.Start:d.parts.schemaChange.End]
	hold := min(schemaPoll, d.timeout/3)
	body := fmt.Appendf(nil, `{"adminKey":%s,"schemaChange":%s,"timeoutMs":%d,"dryRun":false}`, key, change, hold.Milliseconds())
	for {
		began := time.Now()
		more := false
		_, err := d.postBytes(ctx, StageWaitForSchema, body, func(answer []byte) (bool, error) {
			status, err := d.trace.schemaAnswered(answer)
			more = status.Type == schemaInProgress
			return more, err
		})
		if err != nil || !more {
			return err
		}
		if err := pause(ctx, schemaPause-time.Since(began)); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (d *nativeDriver) finish(ctx context.Context) error {
	key := d.client.AdminKey()
	if d.recordKey != nil {
		var variables map[string]string
		if err := json.Unmarshal(d.answer[d.parts.variables.Start:d.parts.variables.End], &variables); err == nil {
			key = d.recordKey(ctx, variables)
		}
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return err
	}
	message, err := json.Marshal(pushMessage(d.file))
	if err != nil {
		return err
	}
	body := &pushBody{}
	body.literal(fmt.Appendf(nil, `{"adminKey":%s,"startPush":`, quoted))
	body.literal(d.answer)
	body.literal(fmt.Appendf(nil, `,"dryRun":false,"message":%s}`, message))
	_, err = d.send(ctx, StageFinishPush, body, nil)
	return err
}

// pushMessage is what a backend that keeps messages (since 2026-04) shows in its
// audit log.
func pushMessage(file *RequestFile) string {
	return fmt.Sprintf("tale-runtime %s, request %.12s", version.String(), file.Digest())
}

// send posts a body that may be large, compressed unless the backend refused that.
func (d *nativeDriver) send(ctx context.Context, stage Stage, body *pushBody, check answerCheck) ([]byte, error) {
	content, length, encoding := body.open(!d.identity)
	answer, err := d.post(ctx, stage, Request{Body: content, Length: length, Encoding: encoding}, check)
	var refused *APIError
	if encoding != "" && errors.As(err, &refused) && refused.Status == http.StatusUnsupportedMediaType {
		d.log.Warn("the backend does not decode brotli; sending the push uncompressed")
		d.identity = true
		return d.send(ctx, stage, body, check)
	}
	return answer, err
}

// postBytes posts a small body.
func (d *nativeDriver) postBytes(ctx context.Context, stage Stage, body []byte, check answerCheck) ([]byte, error) {
	return d.post(ctx, stage, Request{Body: bytes.NewReader(body), Length: int64(len(body))}, check)
}

// answerCheck looks at a 2xx answer: it may turn out to be an error, or to leave
// the stage unfinished.
type answerCheck func(answer []byte) (more bool, err error)

// post does one request of the push and tells the trace.
func (d *nativeDriver) post(ctx context.Context, stage Stage, r Request, check answerCheck) ([]byte, error) {
	x := d.trace.begin(stage)
	r.Method, r.Path = http.MethodPost, stage.Path()
	sent := &countedBody{Reader: r.Body}
	if r.Length == 0 {
		r.Body = sent
	}
	answer, status, err := d.exchange(ctx, r)
	x.sent = r.Length + sent.count.Load()
	x.received = int64(len(answer))
	more := false
	if err == nil && check != nil {
		more, err = check(answer)
	}
	if err != nil {
		x.fail(Observe(stage, err))
		return nil, err
	}
	x.succeeded(status, more)
	return answer, nil
}

func (d *nativeDriver) exchange(ctx context.Context, r Request) ([]byte, int, error) {
	response, err := d.client.Do(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer bytes.Buffer
	if response.ContentLength > 0 && response.ContentLength < maxStartAnswer {
		answer.Grow(int(response.ContentLength) + bytes.MinRead)
	}
	if _, err := answer.ReadFrom(io.LimitReader(response.Body, maxStartAnswer)); err != nil {
		return nil, response.StatusCode, NewTransportError(r.Method, r.Path, err)
	}
	return answer.Bytes(), response.StatusCode, nil
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
