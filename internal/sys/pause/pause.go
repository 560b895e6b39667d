// Package pause is the wait that a context can cut short. It is for pauses that
// are meant, such as a back-off or the time between two probes; where an event
// says that it is time, wait for the event.
package pause

import (
	"context"
	"time"
)

// For waits and reports whether d went by before ctx ended. Without anything to
// wait for it reports whether ctx is still alive.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
