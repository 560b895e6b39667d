package convexsim

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// maxRequests is how many requests the log keeps; the oldest go first.
const maxRequests = 10_000

// Request is one line of the request log, for tests that ask what a client did.
type Request struct {
	Time   time.Time `json:"time"`
	Port   string    `json:"port"` // "api" or "site"
	Method string    `json:"method"`
	Path   string    `json:"path"`
	// Stage is the name of the route as faults know it; empty for none.
	Stage string `json:"stage,omitempty"`
	// Status is 0 when the connection was dropped without an answer.
	Status   int    `json:"status"`
	Encoding string `json:"encoding,omitempty"`
	Client   string `json:"client,omitempty"`
	// Bytes is how much of the body was read, as it was on the wire.
	Bytes    int64         `json:"bytes"`
	Answered int64         `json:"answered"` // bytes of the answer's body
	Duration time.Duration `json:"duration"`
	// Fault is the id of the fault that was applied, if any.
	Fault string `json:"fault,omitempty"`
}

// requestLog keeps the latest requests.
type requestLog struct {
	mu       sync.Mutex
	requests []Request
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) >= maxRequests {
		l.requests = append(l.requests[:0], l.requests[maxRequests/10:]...)
	}
	l.requests = append(l.requests, r)
}

func (l *requestLog) all() []Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]Request(nil), l.requests...)
}

func (l *requestLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = nil
}

// recorder observes one request on its way through.
type recorder struct {
	http.ResponseWriter
	entry    Request
	endpoint string // the path of the route
}

func newRecorder(w http.ResponseWriter, r *http.Request, port string) *recorder {
	rec := &recorder{ResponseWriter: w, entry: Request{
		Time: time.Now(), Port: port, Method: r.Method, Path: r.URL.Path,
		Encoding: r.Header.Get("Content-Encoding"), Client: r.Header.Get("Convex-Client"),
	}}
	r.Body = &countingBody{ReadCloser: r.Body, count: &rec.entry.Bytes}
	return rec
}

func (rec *recorder) WriteHeader(status int) {
	if rec.entry.Status == 0 {
		rec.entry.Status = status
	}
	rec.ResponseWriter.WriteHeader(status)
}

func (rec *recorder) Write(p []byte) (int, error) {
	if rec.entry.Status == 0 {
		rec.entry.Status = http.StatusOK
	}
	n, err := rec.ResponseWriter.Write(p)
	rec.entry.Answered += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// finish returns the completed log line.
func (rec *recorder) finish() Request {
	rec.entry.Duration = time.Since(rec.entry.Time)
	return rec.entry
}

type countingBody struct {
	io.ReadCloser
	count *int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	*b.count += int64(n)
	return n, err
}
