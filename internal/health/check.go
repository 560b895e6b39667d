package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/pause"
)

// checkLimit bounds a whole health check; engines give it a few seconds.
const checkLimit = 3 * time.Second

// notReady begins every answer that is no.
const notReady = "not ready: "

// Check returns the healthcheck command: it asks the status port of this container
// and returns one line for people, or an error with the stage and the reason.
// Where the port is off it looks at the ready marker.
func Check(ctx context.Context, statusAddr string, markers Markers) (string, error) {
	text, _, err := check(ctx, statusAddr, markers)
	return text, err
}

// check returns, too, how long that has been the answer, as far as it is known.
func check(ctx context.Context, statusAddr string, markers Markers) (text string, age time.Duration, err error) {
	if statusAddr == "" {
		if markers.Ready() {
			return "ready (marker " + markers.ready + ")", 0, nil
		}
		return "", 0, errors.New(notReady + "no marker " + markers.ready)
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	_, header, err := NewProber().get(ctx, "http://"+LocalAddr(statusAddr)+"/readyz")
	if header != nil {
		age, _ = time.ParseDuration(header.Get(ageHeader)) // 0 where it is no duration
	}
	var status *StatusError
	switch {
	case err == nil:
		return "ready", age, nil
	case errors.As(err, &status):
		return "", age, errors.New(notReady + strings.TrimPrefix(status.Body, No))
	default:
		return "", 0, fmt.Errorf("cannot ask the status port at %s: %s", statusAddr, Reason(err))
	}
}

const (
	followEvery = 250 * time.Millisecond
	steadyEvery = time.Second
	// An answer that is older than steadyAfter has been heard of; a change of it is
	// waited for, and the loss of readiness has to last for lossPatience.
	steadyAfter  = 3 * time.Second
	steadyFor    = 10 * time.Second
	lossPatience = 5 * time.Second
)

// Follow returns what Check does, to an engine that checks again as soon as it has an
// answer: it hears of every change at once, and rarely has to start this program. It
// returns when the service has become ready or has failed for good, and otherwise
// after limit; an answer that is not new it gives after a while only, or when it ends.
func Follow(ctx context.Context, limit time.Duration, statusAddr string, markers Markers) (string, error) {
	began := time.Now()
	every := followEvery
	var steady bool    // it was ready when we began
	var lost time.Time // since when that is no longer so
	for first := true; ; first = false {
		text, age, err := check(ctx, statusAddr, markers)
		if first && err == nil && age >= steadyAfter {
			steady, every = true, steadyEvery
		}
		if err == nil {
			lost = time.Time{}
		} else if steady && lost.IsZero() {
			lost = time.Now()
		}
		failed := err != nil && strings.HasPrefix(err.Error(), notReady+report.FailedAt)
		known := steady || failed && age >= steadyAfter+time.Since(began)
		waited := time.Since(began)
		switch {
		case ctx.Err() != nil:
			return text, err
		case err == nil || failed:
			if !known || waited >= steadyFor {
				return text, err
			}
		case steady && time.Since(lost) >= lossPatience, !steady && waited >= limit:
			return text, err
		}
		pause.For(ctx, every)
	}
}

// LocalAddr turns a listen address into one that can be dialled from the same
// container. It uses 127.0.0.1 and not "localhost", which may be ::1.
func LocalAddr(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
