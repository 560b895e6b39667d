package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// Progress tells what a long command does: as lines on stderr, with a line on a terminal
// that is written over while something goes on, or as JSON lines on stdout.
type Progress struct {
	mu       sync.Mutex
	data     io.Writer
	talk     io.Writer
	json     bool
	quiet    bool
	terminal bool
	live     bool // the last line is to be written over
	drawn    time.Time
}

// redrawEvery is how often the line on a terminal changes at most.
const redrawEvery = 100 * time.Millisecond

// Options say where and how a Progress tells.
type Options struct {
	Data, Talk io.Writer // stdout and stderr
	JSON       bool      // lines of JSON on Data
	Quiet      bool      // the result and errors only
	Dumb       bool      // the terminal cannot write over a line
}

// NewProgress returns a progress that has told nothing yet.
func NewProgress(o Options) *Progress {
	return &Progress{
		data: o.Data, talk: o.Talk, json: o.JSON, quiet: o.Quiet,
		terminal: IsTerminal(o.Talk) && !o.Dumb,
	}
}

// Event tells one step of a rollout.
func (p *Progress) Event(e rollout.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		_ = json.NewEncoder(p.data).Encode(e) // stdout is gone: nobody reads any more
		return
	}
	about := strings.TrimSpace(e.Service + " " + e.Text)
	staged := strings.TrimSuffix(e.Stage+": "+about, ": ")
	switch e.Kind {
	case rollout.Progress:
		p.draw(staged)
	case rollout.Waiting:
		p.line(fmt.Sprintf("  %s (%.0f s so far)", staged, e.Seconds))
	case rollout.Noted:
		p.line("  " + about)
	case rollout.Ended:
		p.line(strings.TrimRight(fmt.Sprintf("%-14s %6.1f s  %s", e.Stage, e.Seconds, e.Text), " "))
	}
}

// Say tells something that is no step.
func (p *Progress) Say(text string) {
	p.Event(rollout.Event{Time: time.Now(), Kind: rollout.Noted, Text: text})
}

// draw writes over the last line of a terminal. Elsewhere it says nothing.
func (p *Progress) draw(text string) {
	if !p.terminal || p.quiet || time.Since(p.drawn) < redrawEvery {
		return
	}
	if width, _, err := term.GetSize(2); err == nil && len(text) > width-1 {
		text = text[:max(0, width-1)]
	}
	p.drawn, p.live = time.Now(), true
	_, _ = fmt.Fprintf(p.talk, "\r\x1b[K%s", text)
}

func (p *Progress) line(text string) {
	if !p.quiet {
		p.print(text)
	}
}

func (p *Progress) print(text string) {
	if p.live {
		_, _ = io.WriteString(p.talk, "\r\x1b[K")
		p.live = false
	}
	_, _ = fmt.Fprintln(p.talk, text)
}

// Result tells how it ended well; left is what could not be cleared away.
func (p *Progress) Result(text string, left *rollout.LeftError) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	warning := ""
	if left != nil {
		warning = left.Error()
	}
	if p.json {
		return json.NewEncoder(p.data).Encode(map[string]any{"time": time.Now(), "kind": "result", "ok": true, "text": text, "left": warning})
	}
	p.print(text)
	if left != nil {
		_, _ = fmt.Fprintf(p.talk, "but this stays to be done: %s\n", warning)
	}
	return nil
}

// Failed tells why it did not, and returns the error as told.
func (p *Progress) Failed(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := err.Error()
	if failure, ok := errors.AsType[*rollout.FailedError](err); ok {
		text = failure.Text()
	}
	if p.json {
		_ = json.NewEncoder(p.data).Encode(map[string]any{"time": time.Now(), "kind": "result", "ok": false, "text": text, "exitCode": exit.Code(err)})
		return cli.Logged(err)
	}
	p.print(text)
	return cli.Logged(err)
}
