package redial_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/redial"
)

// tries dials in vain until the last one, which has an outcome.
func tries(last int64, outcome redial.Dial) (dial redial.Dial, ended chan error) {
	var n atomic.Int64
	ended = make(chan error, last)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if n.Add(1) == last {
			return outcome(ctx, network, address)
		}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}, ended
}

func TestAnotherTryIsMadeBesideOneThatHangs(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	dial, ended := tries(3, func(context.Context, string, string) (net.Conn, error) { return ours, nil })
	conn, err := redial.Beside(dial)(t.Context(), "tcp", "convex:3210")
	if conn != ours || err != nil {
		t.Errorf("the third try has a connection, but dialling returns %v, %v", conn, err)
	}
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a try that hangs ends with %v, want that it is given up", err)
		}
	}
}

func TestWhatRefusesDecides(t *testing.T) {
	refused := errors.New("refused")
	dial, _ := tries(2, func(context.Context, string, string) (net.Conn, error) { return nil, refused })
	if _, err := redial.Beside(dial)(t.Context(), "tcp", "convex:3210"); !errors.Is(err, refused) {
		t.Errorf("the second try is refused, but dialling returns %v", err)
	}
}

func TestTheContextEndsAllTries(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dial, _ := tries(2, func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if _, err := redial.Beside(dial)(ctx, "tcp", "convex:3210"); !errors.Is(err, context.Canceled) {
		t.Errorf("dialling returns %v, want the end of its context", err)
	}
}

func TestADeadAddressIsTriedAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began, tries := time.Now(), make(chan time.Duration, 10)
		_, err := redial.Beside(func(ctx context.Context, _, _ string) (net.Conn, error) {
			tries <- time.Since(began)
			<-ctx.Done()
			return nil, ctx.Err()
		})(ctx, "tcp", "convex:3210")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the tries end with %v, want that they hang until the time is over", err)
		}
		var at []time.Duration
		for len(tries) > 0 {
			at = append(at, (<-tries)/time.Millisecond)
		}
		if want := []time.Duration{0, 100, 300, 700, 1500}; !slices.Equal(at, want) {
			t.Errorf("tried after %d ms, want %d", at, want)
		}
	})
}

// slowConn tells when it is closed.
type slowConn struct {
	net.Conn
	closed chan struct{}
}

func (c slowConn) Close() error {
	close(c.closed)
	return c.Conn.Close()
}

func TestAConnectionThatComesTooLateIsClosed(t *testing.T) {
	late, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	slow := slowConn{late, make(chan struct{})}
	var n atomic.Int64
	refused := errors.New("refused")
	_, err := redial.Beside(func(ctx context.Context, _, _ string) (net.Conn, error) {
		if n.Add(1) > 1 {
			return nil, refused
		}
		<-ctx.Done()
		return slow, nil
	})(t.Context(), "tcp", "convex:3210")
	if !errors.Is(err, refused) {
		t.Errorf("dialling returns %v, want what the second try met", err)
	}
	<-slow.closed
}
