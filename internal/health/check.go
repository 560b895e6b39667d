package health

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/report"
	"github.com/tale-project/tale-runtime/internal/sys/httpclient"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
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
	said := check(ctx, statusAddr, markers)
	return said.text, said.err
}

// said is the answer to one check.
type said struct {
	text string
	err  error
	// age is how long that has been the answer, as far as it is known.
	age time.Duration
	// lost is a no after the boot was over.
	lost bool
}

// failed reports whether the boot has ended for good.
func (s said) failed() bool {
	return s.err != nil && strings.HasPrefix(s.err.Error(), notReady+report.FailedAt)
}

func check(ctx context.Context, statusAddr string, markers Markers) said {
	if statusAddr == "" {
		if markers.Ready() {
			return said{text: "ready (marker " + markers.ready + ")"}
		}
		return said{err: errors.New(notReady + "no marker " + markers.ready)}
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	_, header, err := NewProber().get(ctx, "http://"+httpclient.LocalAddr(statusAddr)+"/readyz")
	age, _ := time.ParseDuration(header.Get(ageHeader)) // 0 where it is no duration
	var status *StatusError
	switch {
	case err == nil:
		return said{text: "ready", age: age}
	case errors.As(err, &status):
		return said{err: errors.New(notReady + strings.TrimPrefix(status.Body, No)), age: age, lost: header.Get(startedHeader) != ""}
	default:
		return said{err: fmt.Errorf("cannot ask the status port at %s: %s", statusAddr, netcause.Reason(err))}
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
// returns when the service has become ready, has failed for good or has lost what it
// had, and otherwise after limit; an answer that is not new it gives after a while
// only, or when it ends.
func Follow(ctx context.Context, limit time.Duration, statusAddr string, markers Markers) (string, error) {
	began := time.Now()
	now := check(ctx, statusAddr, markers)
	steady, every := now.err == nil && now.age >= steadyAfter, followEvery
	if steady {
		every = steadyEvery
	}
	var lost time.Time // since when it is not ready any more
	for ; ; now = check(ctx, statusAddr, markers) {
		switch {
		case now.err == nil:
			lost = time.Time{}
		case lost.IsZero() && (steady || now.lost):
			lost = time.Now().Add(-now.age)
		}
		waited, enough := time.Since(began), limit
		switch {
		case now.err == nil && steady, now.failed() && now.age-waited >= steadyAfter:
			enough = steadyFor
		case now.err == nil, now.failed():
			enough = 0
		case !lost.IsZero():
			enough = lossPatience - began.Sub(lost)
			if enough < -steadyAfter {
				enough = steadyFor
			}
		}
		if ctx.Err() != nil || waited >= enough {
			return now.text, now.err
		}
		pause.For(ctx, every)
	}
}
