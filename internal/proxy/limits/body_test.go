package limits

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/tale-project/tale-runtime/internal/logging"
)

// clock is moved by the test only.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// source gives its text a byte at a time, each after a while.
type source struct {
	*strings.Reader
	clock *clock
	wait  time.Duration
}

func (s *source) Read(p []byte) (int, error) {
	s.clock.at = s.clock.at.Add(s.wait)
	return s.Reader.Read(p[:min(len(p), 1)])
}

func (*source) Close() error { return nil }

func testApp() *App {
	a := &App{SlowAfter: caddy.Duration(time.Hour), Grace: caddy.Duration(20 * time.Second), BodyRate: 10}
	a.refusals.log, a.refusals.quiet = logging.Discard(), time.Hour
	a.metrics = newMetrics(&a.connections)
	return a
}

// coming returns a body of which a byte comes every wait.
func coming(a *App, network netip.Prefix, wait time.Duration) (b *body, c *clock, interrupted *bool) {
	c, interrupted = &clock{time.Now()}, new(bool)
	b = &body{ReadCloser: &source{strings.NewReader(strings.Repeat("x", 10_000)), c, wait}, app: a, network: network, now: c.now}
	b.interrupt = func() { *interrupted = true }
	return b, c, interrupted
}

func TestABodyBelowTheLeastRateIsEndedAfterTheGrace(t *testing.T) {
	for _, tt := range []struct {
		wait  time.Duration
		bytes int
		ended bool
	}{
		{time.Second, 20, false},             // 1 B/s, in the grace
		{time.Second, 30, true},              // and after it
		{90 * time.Millisecond, 9000, false}, // 11 B/s
		{110 * time.Millisecond, 9000, true}, // 9 B/s
	} {
		a := testApp()
		b, _, interrupted := coming(a, network(1), tt.wait)
		if _, err := io.CopyN(io.Discard, b, int64(tt.bytes)); err != nil {
			t.Fatal(err)
		}
		b.look()
		if *interrupted != tt.ended {
			t.Errorf("%d bytes, one every %v: ended %v", tt.bytes, tt.wait, *interrupted)
		}
		b.finish()
	}
}

func TestTheUpstreamsTimeIsNotTheVisitors(t *testing.T) {
	b, clock, interrupted := coming(testApp(), network(1), time.Second)
	if _, err := io.CopyN(io.Discard, b, 5); err != nil {
		t.Fatal(err)
	}
	clock.at = clock.at.Add(time.Hour) // in which nobody reads
	b.look()
	if *interrupted {
		t.Error("it was ended")
	}
	b.finish()
}

func TestSlowBodiesOfANetworkAreLimited(t *testing.T) {
	a := testApp()
	a.BodyRate, a.SlowAfter, a.uploads.most = 0, caddy.Duration(5*time.Second), 3
	var bodies []*body
	slow := func(network netip.Prefix, seconds int64) bool {
		b, _, interrupted := coming(a, network, time.Second)
		if _, err := io.CopyN(io.Discard, b, seconds); err != nil {
			t.Fatal(err)
		}
		b.look()
		b.look() // is counted once
		bodies = append(bodies, b)
		return !*interrupted
	}
	for n := range 10 {
		if !slow(network(1), 4) {
			t.Fatalf("the quick body %d is ended", n)
		}
	}
	for n := range 5 {
		if got := slow(network(1), 6); got != (n < 3) {
			t.Errorf("the slow body %d: %v", n, got)
		}
	}
	if !slow(network(2), 6) {
		t.Error("another network's is ended")
	}
	for _, b := range bodies {
		b.finish()
		b.finish()
	}
	if a.uploads.count() != 0 {
		t.Errorf("%d are still counted", a.uploads.count())
	}
}
