package convexsim

import (
	"context"
	"net/http"
	"sync"
)

// How many requests each port works on at a time. More wait their turn; none is
// refused.
const (
	apiConcurrency  = 128
	siteConcurrency = 4
)

// permits is a counted limit on running requests.
type permits chan struct{}

// acquire waits for a permit and returns the function that gives it back, which
// may be called more than once.
func (p permits) acquire(ctx context.Context) (release func(), err error) {
	select {
	case p <- struct{}{}:
		return sync.OnceFunc(func() { <-p }), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// headWatcher calls a function when the head of an answer is written: the
// backend's limit counts requests until then, not until the end of the body or
// of the WebSocket that follows.
type headWatcher struct {
	http.ResponseWriter
	onHead func()
}

func (w *headWatcher) WriteHeader(status int) {
	w.onHead()
	w.ResponseWriter.WriteHeader(status)
}

func (w *headWatcher) Write(p []byte) (int, error) {
	w.onHead()
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *headWatcher) Unwrap() http.ResponseWriter { return w.ResponseWriter }
