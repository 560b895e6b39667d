package demo

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/tale-project/tale-runtime/internal/supervise"
)

// A service's last lines explain its death. Some tools say first what is wrong, and then at
// length how they are used.
const firstLines, lastLines = 10, 20

// serviceLog keeps what a process prints in a file, and its first and last lines at hand.
type serviceLog struct {
	path  string
	relay func(line string) // nil: the file only

	mu    sync.Mutex
	file  *os.File
	first []string
	last  []string
	left  int // lines between them
}

func openServiceLog(f *folder, name string, relay func(string)) (*serviceLog, error) {
	if _, err := f.sub("logs"); err != nil {
		return nil, err
	}
	path := f.join("logs", name+".log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot keep the log of %s: %w", name, err)
	}
	return &serviceLog{path: path, relay: relay, file: file}, nil
}

// line takes one line of output (supervise.Process.Line).
func (l *serviceLog) line(_ supervise.Stream, line []byte) {
	text := string(line)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.first) < firstLines {
		l.first = append(l.first, text)
	} else if l.last = append(l.last, text); len(l.last) > lastLines {
		l.last, l.left = l.last[1:], l.left+1
	}
	// A full disk must not stop the demo: the last lines are still there.
	_, _ = l.file.WriteString(text + "\n")
	if l.relay != nil {
		l.relay(text)
	}
}

// explain adds the first and the last lines to an error.
func (l *serviceLog) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := slices.Clone(l.first)
	if l.left > 0 {
		lines = append(lines, fmt.Sprintf("… %d more lines", l.left))
	}
	return fmt.Errorf("%w; from %s:\n    %s", err, l.path, strings.Join(append(lines, l.last...), "\n    "))
}

func (l *serviceLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Close()
}
