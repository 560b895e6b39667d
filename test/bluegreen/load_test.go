package bluegreen

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/test/visitors"
)

// killShadow is how long after the death of a killed colour a POST may still be sent into a
// connection of which nobody knows yet that it is dead.
const killShadow = 50 * time.Millisecond

// load is visitors who send requests at a fixed rate, whatever becomes of them.
type load struct {
	t    *testing.T
	url  string
	kept *http.Client // keeps its connections
	once *http.Client // opens one for each request

	stop    chan struct{}
	pending sync.WaitGroup

	times visitors.Times

	mu       sync.Mutex
	sent     map[string]int // by method and kind of connection
	answers  map[string]int // by colour
	killed   time.Time      // when the last kill began
	dead     time.Time      // when it had been carried out
	excused  int            // lost with a colour that was killed
	failures []string
}

func startLoad(t *testing.T, url string, transport *http.Transport) *load {
	fresh := transport.Clone()
	fresh.DisableKeepAlives = true
	l := &load{
		t: t, url: url,
		kept: &http.Client{Transport: transport, Timeout: 20 * time.Second},
		once: &http.Client{Transport: fresh, Timeout: 20 * time.Second},
		stop: make(chan struct{}), sent: map[string]int{}, answers: map[string]int{},
	}
	l.pending.Go(func() { l.every(3*time.Second/time.Duration(2**rate), 1) })
	l.pending.Go(func() { l.every(3*time.Second*time.Duration(*burst)/time.Duration(*rate), *burst) })
	return l
}

// every sends a number of requests at once, again and again.
func (l *load) every(pause time.Duration, number int) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
		}
		for range number {
			l.pending.Go(l.send)
		}
	}
}

func (l *load) send() {
	method, client, kind := http.MethodGet, l.kept, "kept connection"
	if rand.IntN(2) == 0 {
		method = http.MethodPost
	}
	if rand.IntN(2) == 0 {
		client, kind = l.once, "new connection"
	}
	began := time.Now()
	colour, err := l.try(client, method)
	ended := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[method+", "+kind]++
	l.times.Add(began, ended.Sub(began))
	switch {
	case err == nil:
		l.answers[colour]++
	case method == http.MethodPost && ended.After(l.killed) && l.mayHaveRun(began):
		l.excused++
	default:
		l.failures = append(l.failures, fmt.Sprintf("%s %s over a %s, %v after it was sent, %v after the last kill: %v", began.Format("05.000"), method, kind, ended.Sub(began), ended.Sub(l.killed), err))
	}
}

// try sends one request and returns who answered.
func (l *load) try(client *http.Client, method string) (colour string, err error) {
	var body io.Reader
	if method == http.MethodPost {
		body = bytes.NewReader(make([]byte, 2000))
	}
	request, err := http.NewRequestWithContext(context.Background(), method, l.url, body)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	colour = response.Header.Get("X-Colour")
	if response.StatusCode != http.StatusOK || string(answer) != colour || body != nil && response.Header.Get("X-Received") != "2000" {
		return colour, fmt.Errorf("status %d from %q: %s", response.StatusCode, colour, bytes.TrimSpace(answer))
	}
	return colour, nil
}

// mayHaveRun reports whether a request that was sent then can have reached the colour that
// was killed last.
func (l *load) mayHaveRun(sent time.Time) bool {
	return l.dead.Before(l.killed) || sent.Before(l.dead.Add(killShadow))
}

// expectKill notes that a colour is about to be killed, and returns what notes that
// it is dead.
func (l *load) expectKill() (dead func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed = time.Now()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dead = time.Now()
	}
}

func (l *load) answeredBy(colour string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers[colour]
}

// finish waits for the last answer and fails the test for each that should not
// have failed.
func (l *load) finish() {
	l.t.Helper()
	close(l.stop)
	l.pending.Wait()
	took := l.times.Of(func(time.Time) bool { return true })
	l.t.Logf("%d requests %v: %d failed, %d more were POSTs that ran in a colour when it was killed", len(took), l.sent, len(l.failures), l.excused)
	l.t.Logf("answers after p50 %v, p99 %v, p99.9 %v, at most %v", took.At(.5), took.At(.99), took.At(.999), took.At(1))
	if n := len(l.failures); n > 0 {
		l.t.Errorf("%d requests failed, for example:\n%s", n, strings.Join(l.failures[:min(n, 20)], "\n"))
	}
}
