package demo

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// screen is where the demo tells its story. It may be used from several
// goroutines; what it cannot write is lost, as on any terminal that was closed.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	open     bool // the last line waits for its end
}

func newScreen(out io.Writer) *screen {
	file, ok := out.(*os.File)
	return &screen{out: out, terminal: ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(file.Fd()))}
}

func (s *screen) linef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLine()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}

// row tells that a stage is over.
func (s *screen) row(group, name string, took time.Duration, detail string) {
	s.linef("%s", s.format(group, name, seconds(took), detail))
}

// doing tells on a terminal that a stage has begun; the next line replaces it.
func (s *screen) doing(group, name, detail string) {
	if !s.terminal {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLine()
	_, _ = fmt.Fprint(s.out, s.format(group, name, "", detail))
	s.open = true
}

// check tells how a check ended.
func (s *screen) check(name string, took time.Duration, detail string, err error) {
	mark, text := s.paint("32", "ok  "), detail
	if err != nil {
		mark, text = s.paint("31", "FAIL"), err.Error()
	}
	s.linef("  %s  %-34s %7s  %s", mark, name, seconds(took), text)
}

func (s *screen) format(group, name, took, detail string) string {
	return fmt.Sprintf("  %-9s %-14s %7s  %s", group, name, took, detail)
}

// relay returns a function that shows the lines of a service, or nil when they
// are not to be shown.
func (s *screen) relay(wanted bool, name string) func(string) {
	if !wanted {
		return nil
	}
	prefix := s.paint("2", fmt.Sprintf("%-8s |", name))
	return func(line string) { s.linef("%s %s", prefix, line) }
}

func (s *screen) bold(text string) string { return s.paint("1", text) }

func (s *screen) paint(code, text string) string {
	if !s.terminal {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *screen) closeLine() {
	if s.open {
		_, _ = fmt.Fprint(s.out, "\r\x1b[K")
		s.open = false
	}
}

// seconds writes a duration as the table shows it; nothing for none at all.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.3fs", d.Seconds())
}
