package limits

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// largeAnswer is what the buffers on the way to a visitor hold of an answer: one that
	// is not larger leaves its upstream and is over, whatever the visitor does.
	largeAnswer = 64 << 10
	// longStream is from where an answer whose length nobody knows is large, too.
	longStream = 256 << 10
	// caughtUp is how long a stream is waited for where its visitor has taken what came before,
	// so that it begins anew: what trickles for hours is no more to hold than what is short.
	caughtUp = 20 * time.Millisecond
	// bytesPerAnswer is what the process holds, at most, of an answer that is not taken.
	bytesPerAnswer = 320 << 10
)

var errTooManyAnswers = errors.New("too many large answers to one network")

// large waits until there is room for a large answer to the request, which is taken until
// done is called.
func (a *App) large(r *http.Request) (done func(), err error) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Duration(a.AnswerPatience))
	defer cancel()
	network := visitorOf(r)
	if a.answers.wait(ctx, network) {
		return func() { a.answers.give(network) }, nil
	}
	if r.Context().Err() == nil {
		a.refuse(network, tooManyAnswers)
	}
	return nil, errTooManyAnswers
}

// File makes an answer of the proxy's own count where it is large, until done is called.
// Where there is no room it answers so, and ok is false.
func (a *App) File(w http.ResponseWriter, r *http.Request, size int64) (done func(), ok bool) {
	if size <= largeAnswer || r.Method == http.MethodHead {
		return func() {}, true
	}
	done, err := a.large(r)
	if err != nil {
		sayTooMany(w) // in its turn: the answers before it on the same connection are on their way
		return nil, false
	}
	return done, true
}

// Answer makes an upstream's answer count where it is large, until its body is closed. Where
// there is no room it returns another one, which says so.
func (a *App) Answer(r *http.Request, response *http.Response) *http.Response {
	if response.StatusCode == http.StatusSwitchingProtocols || response.Body == http.NoBody || r.Method == http.MethodHead {
		return response
	}
	body := largeBody{ReadCloser: response.Body}
	switch {
	case response.ContentLength < 0:
		response.Body = &streamBody{largeBody: body, app: a, r: r, left: longStream}
		return response
	case response.ContentLength <= largeAnswer:
		return response
	}
	var err error
	if body.done, err = a.large(r); err != nil {
		_ = response.Body.Close()
		return tooMany(r)
	}
	response.Body = &body
	return response
}

func tooMany(r *http.Request) *http.Response {
	const says = "429 Too Many Requests\n"
	return &http.Response{
		Status: strings.TrimSpace(says), StatusCode: http.StatusTooManyRequests, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Header:        http.Header{"Retry-After": {retryAfter}, "Content-Type": {"text/plain; charset=utf-8"}, "Cache-Control": {"no-store"}},
		ContentLength: int64(len(says)), Body: io.NopCloser(strings.NewReader(says)), Request: r,
	}
}

// largeBody is the body of an answer that counts until it is closed.
type largeBody struct {
	io.ReadCloser
	done func() // nil: it does not count
}

func (b *largeBody) release() {
	if b.done != nil {
		b.done()
		b.done = nil
	}
}

// Close ends the answer. It is called once, by those who copy.
func (b *largeBody) Close() error {
	b.release()
	return b.ReadCloser.Close()
}

// streamBody is the body of an answer whose length nobody knows. It counts once so much of it has
// come.
type streamBody struct {
	largeBody
	app  *App
	r    *http.Request
	left int // until it counts
}

func (s *streamBody) Read(p []byte) (int, error) {
	began := time.Now()
	n, err := s.ReadCloser.Read(p)
	if time.Since(began) >= caughtUp {
		s.release()
		s.left = longStream
	}
	if s.done != nil {
		return n, err
	}
	if s.left -= n; s.left < 0 && err == nil {
		s.left = 0
		s.done, err = s.app.large(s.r)
	}
	return n, err
}
