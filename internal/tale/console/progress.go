package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// Progress tells what a long command does: as lines on stderr, with a live block below
// them on a terminal, or as JSON lines on stdout.
type Progress struct {
	mu    sync.Mutex
	data  io.Writer
	talk  io.Writer
	json  bool
	quiet bool
	live  *block             // nil without a terminal
	begun atomic.Bool        // a stage has begun
	ended bool               // the result is told
	flows map[[2]string]flow // by stage and service
}

// flow is when bytes began to come, and when they were last told of.
type flow struct{ began, told time.Time }

// flowEvery is how often bytes that are on their way are told of where lines stay.
const flowEvery = 10 * time.Second

// Options say where and how a Progress tells.
type Options struct {
	Data, Talk io.Writer // stdout and stderr
	JSON       bool      // lines of JSON on Data
	Quiet      bool      // the result and errors only
	Dumb       bool      // the terminal cannot write over a line
}

// NewProgress returns a progress that has told nothing yet.
func NewProgress(o Options) *Progress {
	p := &Progress{data: o.Data, talk: o.Talk, json: o.JSON, quiet: o.Quiet, flows: map[[2]string]flow{}}
	if IsTerminal(o.Talk) && !o.Dumb && !o.Quiet && !o.JSON {
		p.live = newBlock(o.Talk, &p.mu)
	}
	return p
}

// Event tells one step of a rollout. What has bytes may come as often as it likes.
func (p *Progress) Event(e rollout.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == rollout.Began {
		p.begun.Store(true)
		clear(p.flows)
	}
	flows := e.Kind == rollout.Progress && e.Current > 0
	if flows && e.Text == "" {
		e.Text = amount(e.Current, e.Total)
	}
	if flows && p.live == nil {
		if e.Seconds = p.due(e).Seconds(); e.Seconds == 0 {
			return
		}
	}
	if p.json {
		_ = json.NewEncoder(p.data).Encode(e) // stdout is gone: nobody reads any more
		return
	}
	about := strings.TrimSpace(e.Service + " " + e.Text)
	staged := strings.TrimSuffix(e.Stage+": "+about, ": ")
	switch {
	case p.live != nil && (e.Kind == rollout.Began || e.Kind == rollout.Progress || e.Kind == rollout.Waiting):
		p.live.show(e)
	case e.Kind == rollout.Waiting, flows:
		p.line(fmt.Sprintf("  %s (%.0f s so far)", staged, e.Seconds))
	case e.Kind == rollout.Noted:
		p.live.drop(e.Service)
		p.line("  " + about)
	case e.Kind == rollout.Ended:
		p.live.end()
		p.line(strings.TrimRight(staging(e.Stage, e.Seconds)+"  "+e.Text, " "))
	}
}

// staging returns how a stage and its time stand in a line.
func staging(stage string, seconds float64) string {
	return fmt.Sprintf("%-14s %6.1f s", stage, seconds)
}

// due returns for how long bytes are on their way, when it is time to tell it again.
func (p *Progress) due(e rollout.Event) time.Duration {
	key, now := [2]string{e.Stage, e.Service}, time.Now()
	f, known := p.flows[key]
	if !known {
		f = flow{began: now, told: now}
	}
	due := now.Sub(f.told) >= flowEvery
	if due {
		f.told = now
	}
	if p.flows[key] = f; !due {
		return 0
	}
	return now.Sub(f.began)
}

// amount says how many bytes have come.
func amount(current, total int64) string {
	if total <= 0 {
		return humanize.Bytes(uint64(current))
	}
	return humanize.Bytes(uint64(current)) + " of " + humanize.Bytes(uint64(total))
}

// Close takes away what a terminal shows of something that goes on.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live.end()
}

// Say tells something that is no step.
func (p *Progress) Say(text string) {
	p.Event(rollout.Event{Time: time.Now(), Kind: rollout.Noted, Text: text})
}

// Begin says that something is under way, before an event tells so.
func (p *Progress) Begin() { p.begun.Store(true) }

// Interrupted tells what becomes of what is under way. Until a stage has begun that is
// nothing, as while a question is asked, and the error of the command says so.
func (p *Progress) Interrupted(text string) {
	if p.begun.Load() {
		p.Say(text)
	}
}

func (p *Progress) line(text string) {
	if !p.quiet {
		p.print(text)
	}
}

func (p *Progress) print(text string) {
	p.live.erase()
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
	p.ended = true
	if p.json {
		err := json.NewEncoder(p.data).Encode(map[string]any{"time": time.Now(), "kind": "result", "ok": true, "text": text, "left": warning})
		if errors.Is(err, syscall.EPIPE) { // nobody reads any more: what was done is done
			err = nil
		}
		return err
	}
	p.live.end()
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
	if p.ended = true; p.json {
		p.fails(err)
		return cli.Logged(err)
	}
	p.live.end()
	said := wording(err)
	if _, began := errors.AsType[*rollout.FailedError](err); !began {
		said = "tale: " + said // as without progress
	}
	p.print(said)
	return cli.Logged(err)
}

// End returns the error with which a command ends. As JSON it is the result, too, unless
// there is one: who reads the lines learns from the last one what came of it.
func (p *Progress) End(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && p.json && !p.ended {
		p.fails(err)
	}
	return err
}

func (p *Progress) fails(err error) {
	_ = json.NewEncoder(p.data).Encode(result(wording(err), exit.Code(err)))
}

// result returns the line of JSON of what did not end well.
func result(text string, code int) map[string]any {
	return map[string]any{"time": time.Now(), "kind": "result", "ok": false, "text": text, "exitCode": code}
}

// wording returns what is said of an error.
func wording(err error) string {
	if failure, ok := errors.AsType[*rollout.FailedError](err); ok {
		return failure.Text()
	}
	return err.Error()
}
