package logs

import (
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/engine"
)

// looseness is how far the dates of a log may be out of order: an engine reads stdout and
// stderr of a container separately, and dates a line before it writes it down.
const looseness = time.Second

// cursor is how far a log was read: of each of its two streams, in which dates only grow,
// the last date and how many lines have it.
type cursor [2]struct {
	at time.Time
	n  int
}

// since returns from when on a log has to be asked for to miss nothing.
func (c *cursor) since(beginning time.Time) time.Time {
	latest := c[0].at
	if c[1].at.After(latest) {
		latest = c[1].at
	}
	if latest.IsZero() {
		return beginning
	}
	if latest = latest.Add(-looseness); latest.Before(beginning) {
		return beginning
	}
	return latest
}

// pass returns what tells which lines of another reading are new, and remembers them.
func (c *cursor) pass() func(engine.Line) bool {
	begin := *c
	var met [2]int
	return func(line engine.Line) bool {
		i := 0
		if line.Stderr {
			i = 1
		}
		switch at := begin[i].at; {
		case line.Time.IsZero(): // of a log without dates
			return true
		case line.Time.Before(at):
			return false
		case line.Time.Equal(at):
			if met[i]++; met[i] <= begin[i].n {
				return false
			}
		}
		if now := &c[i]; line.Time.Equal(now.at) {
			now.n++
		} else if line.Time.After(now.at) {
			now.at, now.n = line.Time, 1
		}
		return true
	}
}
