package console

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// tellingWithin is how long another line may take that is being told as the process ends.
const tellingWithin = sayWithin / 4

const atOnce = "ended at once"

// AtOnce returns what a command without progress says at a second stop signal: what it has left.
func AtOnce(talk io.Writer, left string) func(code int) {
	return func(int) { _, _ = fmt.Fprintf(talk, "tale: %s: %s\n", atOnce, left) }
}

// AtOnce returns what is said at a second stop signal: what the command has left, where
// anything has begun. As JSON it is the result, too.
func (p *Progress) AtOnce(left string) func(code int) {
	return func(code int) {
		text := atOnce + ", before anything was changed"
		if p.begun.Load() {
			text = atOnce + ": " + left
		}
		mine, above := p.take(), ""
		switch {
		case mine:
			p.live.end()
		case p.live != nil:
			above = "\n" // what is being drawn
		}
		_, _ = fmt.Fprintf(p.talk, "%stale: %s\n", above, text)
		if mine && p.json && !p.ended {
			p.ended = true
			_ = json.NewEncoder(p.data).Encode(result(text, code))
		}
	}
}

// take keeps all others from telling anything from now on, and reports whether that was to be
// had: who is telling something just then may never be done.
func (p *Progress) take() bool {
	taken := make(chan struct{})
	go func() {
		p.mu.Lock()
		close(taken)
	}()
	select {
	case <-taken:
		return true
	case <-time.After(tellingWithin):
		return false
	}
}
