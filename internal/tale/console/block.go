package console

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"

	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

const (
	// redrawEvery is how often a block changes at most.
	redrawEvery = 100 * time.Millisecond
	// tickEvery is how often it shows the time, without anything new.
	tickEvery = time.Second
	barWidth  = 24
)

// block is the last lines of a terminal, which are written over: the stage with its time,
// and a row for each thing that goes on in it. A nil one shows nothing.
type block struct {
	out   io.Writer
	mu    *sync.Mutex // of who calls
	size  func() (width, height int)
	stage string
	began time.Time
	rows  []rollout.Event
	lines int // on the terminal now
	drawn time.Time
	timer *time.Timer
}

func newBlock(out io.Writer, mu *sync.Mutex) *block {
	return &block{out: out, mu: mu, size: func() (int, int) {
		if file, isFile := out.(*os.File); isFile {
			if width, height, err := term.GetSize(int(file.Fd())); err == nil {
				return width, height
			}
		}
		return 80, 24
	}}
}

// drop takes out the row of a service that a line told of.
func (b *block) drop(service string) {
	if b != nil {
		b.rows = slices.DeleteFunc(b.rows, func(row rollout.Event) bool { return row.Service == service })
	}
}

// show takes in what has begun or goes on, and draws it unless that was just done.
func (b *block) show(e rollout.Event) {
	if e.Kind == rollout.Began || e.Stage != b.stage {
		b.stage, b.began, b.rows = e.Stage, time.Now(), nil
	}
	if e.Kind != rollout.Began {
		same := func(row rollout.Event) bool { return row.Service == e.Service }
		e.Text = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return ' '
		}, e.Text)
		if i := slices.IndexFunc(b.rows, same); i >= 0 {
			b.rows[i] = e
		} else {
			b.rows = append(b.rows, e)
		}
	}
	if wait := redrawEvery - time.Since(b.drawn); wait <= 0 {
		b.draw()
	} else {
		b.after(wait)
	}
}

// after draws the block in a moment, unless it has ended or was drawn by then.
func (b *block) after(wait time.Duration) {
	if b.timer != nil {
		b.timer.Stop()
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.timer == timer {
			b.draw()
		}
	})
	b.timer = timer
}

// draw writes the block over what it was.
func (b *block) draw() {
	width, height := b.size()
	lines := b.text(time.Since(b.began))
	lines = lines[:min(len(lines), max(1, height-1))]
	for i, line := range lines {
		if letters := []rune(line); len(letters) >= width {
			lines[i] = string(letters[:max(0, width-1)])
		}
	}
	_, _ = io.WriteString(b.out, b.clearing()+strings.Join(lines, "\n"))
	b.lines, b.drawn = len(lines), time.Now()
	b.after(tickEvery)
}

// text returns the lines of a block whose stage is that old.
func (b *block) text(age time.Duration) []string {
	lines := []string{staging(b.stage, age.Seconds())}
	longest := 0
	for _, row := range b.rows {
		longest = max(longest, len(row.Service))
	}
	for _, row := range b.rows {
		line := row.Text
		if row.Total > 0 && row.Current > 0 {
			full := int(min(row.Current, row.Total) * barWidth / row.Total)
			line = "[" + strings.Repeat("#", full) + strings.Repeat(".", barWidth-full) + "]  " + line
		}
		if longest > 0 {
			line = fmt.Sprintf("%-*s  %s", longest, row.Service, line)
		}
		lines = append(lines, "  "+strings.TrimRight(line, " "))
	}
	return lines
}

// clearing returns what takes the block away.
func (b *block) clearing() string {
	if b.lines == 0 {
		return ""
	}
	return "\r" + strings.Repeat("\x1b[A", b.lines-1) + "\x1b[J"
}

// erase takes the block away, for a line that is to stay; it comes back below that.
func (b *block) erase() {
	if b == nil || b.lines == 0 {
		return
	}
	_, _ = io.WriteString(b.out, b.clearing())
	b.lines = 0
	b.after(redrawEvery)
}

// end takes the block away for good, or until something else begins.
func (b *block) end() {
	if b == nil {
		return
	}
	b.erase()
	if b.timer != nil {
		b.timer.Stop()
	}
	b.stage, b.rows, b.timer = "", nil, nil
}
