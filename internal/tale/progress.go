package tale

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// progress tells what a long command does: as lines on stderr, with a line on a terminal
// that is written over while something goes on, or as JSON lines on stdout.
type progress struct {
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

func (a *app) progress(command *cobra.Command, quiet bool) *progress {
	talk := command.ErrOrStderr()
	return &progress{
		data: command.OutOrStdout(), talk: talk, json: a.json, quiet: quiet,
		terminal: isTerminal(talk) && a.environ["TERM"] != "dumb",
	}
}

// event tells one step of a rollout.
func (p *progress) event(e rollout.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		_ = json.NewEncoder(p.data).Encode(e) // stdout is gone: nobody reads any more
		return
	}
	about := strings.TrimSpace(e.Service + " " + e.Text)
	switch e.Kind {
	case rollout.Progress:
		p.draw(e.Stage + ": " + about)
	case rollout.Waiting:
		p.line(fmt.Sprintf("  %s: %s (%.0f s so far)", e.Stage, about, e.Seconds))
	case rollout.Noted:
		p.line("  " + about)
	case rollout.Ended:
		p.line(strings.TrimRight(fmt.Sprintf("%-14s %6.1f s  %s", e.Stage, e.Seconds, e.Text), " "))
	}
}

// say tells something that is no step.
func (p *progress) say(text string) {
	p.event(rollout.Event{Time: time.Now(), Kind: rollout.Noted, Text: text})
}

// draw writes over the last line of a terminal. Elsewhere it says nothing.
func (p *progress) draw(text string) {
	if !p.terminal || p.quiet || time.Since(p.drawn) < redrawEvery {
		return
	}
	if width, _, err := term.GetSize(2); err == nil && len(text) > width-1 {
		text = text[:max(0, width-1)]
	}
	p.drawn, p.live = time.Now(), true
	_, _ = fmt.Fprintf(p.talk, "\r\x1b[K%s", text)
}

func (p *progress) line(text string) {
	if !p.quiet {
		p.print(text)
	}
}

func (p *progress) print(text string) {
	if p.live {
		_, _ = io.WriteString(p.talk, "\r\x1b[K")
		p.live = false
	}
	_, _ = fmt.Fprintln(p.talk, text)
}

// result tells how it ended well; left is what could not be cleared away.
func (p *progress) result(text string, left *rollout.LeftError) error {
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

// failed tells why it did not, and returns the error as told.
func (p *progress) failed(err error) error {
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
