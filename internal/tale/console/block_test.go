package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// screen is a terminal of which lines do not scroll away.
type screen struct {
	mu      sync.Mutex
	lines   []string
	row, at int
	width   int
	wrapped bool // a line was longer than it is wide
}

func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for rest := string(text); rest != ""; {
		switch {
		case strings.HasPrefix(rest, "\x1b[A"):
			s.row, rest = s.row-1, rest[3:]
		case strings.HasPrefix(rest, "\x1b[J"):
			s.lines[s.row], s.lines, rest = s.lines[s.row][:s.at], s.lines[:s.row+1], rest[3:]
		case rest[0] == '\r':
			s.at, rest = 0, rest[1:]
		case rest[0] == '\n':
			s.row, s.at, rest = s.row+1, 0, rest[1:]
			for len(s.lines) <= s.row {
				s.lines = append(s.lines, "")
			}
		default:
			s.lines[s.row] = s.lines[s.row][:s.at] + rest[:1]
			s.at, rest = s.at+1, rest[1:]
			s.wrapped = s.wrapped || s.at >= s.width
		}
	}
	return len(text), nil
}

// shows returns the lines on the screen, and whether one was too long for it.
func (s *screen) shows() (lines []string, wrapped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines), s.wrapped
}

func onScreen(width, height int) (*Progress, *screen) {
	s := &screen{lines: []string{""}, width: width}
	p := NewProgress(Options{Data: io.Discard, Talk: s})
	p.live = newBlock(s, &p.mu)
	p.live.size = func() (int, int) { return width, height }
	return p, s
}

// A terminal shows the stage, its time, and a bar for each pull; the lines that stay are
// above, whole and in order.
func TestATerminalShowsWhatGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := onScreen(70, 24)
		p.Event(rollout.Event{Kind: rollout.Ended, Stage: "lock", Seconds: 0.2})
		p.Event(rollout.Event{Kind: rollout.Began, Stage: "pull"})
		p.Event(rollout.Event{Kind: rollout.Progress, Stage: "pull", Service: "shop/platform:2", Current: 60e6, Total: 240e6})
		p.Event(rollout.Event{Kind: rollout.Progress, Stage: "pull", Service: "shop/db:2", Total: 9e6, Text: "is here"})
		p.Event(rollout.Event{Kind: rollout.Progress, Stage: "pull", Service: "shop/convex:2", Current: 1e6, Total: 2e6})
		p.Event(rollout.Event{Kind: rollout.Noted, Stage: "pull", Service: "shop/convex:2", Text: "was there before"})
		time.Sleep(3*time.Second + 3*redrawEvery/2)
		lines, _ := s.shows()
		shown := strings.Join(lines, "\n")
		if want := `lock              0.2 s
  shop/convex:2 was there before
pull              3.1 s
  shop/platform:2  [######..................]  60 MB of 240 MB
  shop/db:2        is here`; shown != want {
			t.Errorf("\n%s\nwant\n%s", shown, want)
		}
		p.Event(rollout.Event{Kind: rollout.Ended, Stage: "pull", Seconds: 4})
		if err := p.Result("serves", nil); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		lines, _ = s.shows()
		if shown := strings.Join(lines, "\n"); shown != "lock              0.2 s\n  shop/convex:2 was there before\npull              4.0 s\nserves\n" {
			t.Errorf("\n%s", shown)
		}
	})
}

// A command that ends leaves nothing that is drawn again over what others write.
func TestAClosedTerminalShowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := onScreen(70, 24)
		p.Event(rollout.Event{Kind: rollout.Progress, Stage: "download", Text: "waits\tfor\nmore", Current: 1, Total: 2})
		if lines, _ := s.shows(); len(lines) != 2 || !strings.HasSuffix(lines[1], "waits for more") {
			t.Errorf("%q", lines)
		}
		p.Close()
		time.Sleep(time.Minute)
		if lines, _ := s.shows(); !slices.Equal(lines, []string{""}) {
			t.Errorf("%q", lines)
		}
	})
}

// Whatever comes in whatever order, lines that stay are lost or changed by no block, and
// a block is never wider or higher than the terminal.
func TestLinesStayAboveTheBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		p, s := onScreen(40, 6)
		var stay []string
		for i := range 3000 {
			e := rollout.Event{
				Stage: fmt.Sprint("stage", random.IntN(3)), Service: fmt.Sprint("service", random.IntN(9)),
				Text: strings.Repeat("x", random.IntN(60)), Seconds: float64(i),
			}
			switch random.IntN(8) {
			case 0:
				e.Kind, e.Text = rollout.Noted, fmt.Sprint("note", i)
				stay = append(stay, fmt.Sprintf("  %s note%d", e.Service, i))
			case 1:
				e.Kind, e.Text = rollout.Ended, "ended"
				stay = append(stay, fmt.Sprintf("%-14s %6.1f s  ended", e.Stage, e.Seconds))
			case 2:
				e.Kind = rollout.Began
			default:
				e.Kind, e.Current, e.Total = rollout.Progress, random.Int64N(1e9), random.Int64N(2e9)
			}
			p.Event(e)
			time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
			lines, wrapped := s.shows()
			if len(lines)-len(stay) > 5 || !slices.Equal(lines[:len(stay)], stay) || wrapped {
				t.Fatalf("seed %d, %d: wrapped %v\n%s\nwant\n%s", seed, i, wrapped, strings.Join(lines, "\n"), strings.Join(stay, "\n"))
			}
		}
		_ = p.Failed(io.EOF)
	})
}

// Where lines stay, bytes on their way are told of now and then, and not at first.
func TestBytesAreToldOfNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines, data bytes.Buffer
		people, programs := NewProgress(Options{Data: io.Discard, Talk: &lines}), NewProgress(Options{Data: &data, Talk: io.Discard, JSON: true})
		for i := range 250 {
			for _, service := range []string{"a", "b"} {
				e := rollout.Event{Kind: rollout.Progress, Stage: "pull", Service: service, Current: int64(i+1) * 1e6, Total: 250e6}
				people.Event(e)
				programs.Event(e)
			}
			time.Sleep(100 * time.Millisecond)
		}
		people.Event(rollout.Event{Kind: rollout.Began, Stage: "pull"}) // once more, and not from its first time on
		people.Event(rollout.Event{Kind: rollout.Progress, Stage: "pull", Service: "a", Current: 1})
		want := "  pull: a 101 MB of 250 MB (10 s so far)\n  pull: b 101 MB of 250 MB (10 s so far)\n" +
			"  pull: a 201 MB of 250 MB (20 s so far)\n  pull: b 201 MB of 250 MB (20 s so far)\n"
		if lines.String() != want {
			t.Errorf("\n%s\nwant\n%s", lines.String(), want)
		}
		for decoder, told := json.NewDecoder(&data), 0; ; told++ {
			var e rollout.Event
			if err := decoder.Decode(&e); err != nil {
				if told != 4 {
					t.Errorf("%d events: %v", told, err)
				}
				break
			}
			if e.Current == 0 || e.Total != 250e6 || e.Text == "" || e.Kind != rollout.Progress {
				t.Errorf("%+v", e)
			}
		}
	})
}
