package crash

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// tailLines is how many last lines of a child are kept.
const tailLines = 80

// tailLineMax bounds one kept line, in bytes.
const tailLineMax = 2048

// Tail keeps the last lines of a child.
type Tail struct {
	mu    sync.Mutex
	lines [tailLines]string
	count int
}

// Add keeps a line and forgets the oldest.
func (t *Tail) Add(line string) {
	if len(line) > tailLineMax {
		cut := tailLineMax
		for !utf8.RuneStart(line[cut]) && cut > tailLineMax-utf8.UTFMax {
			cut--
		}
		line = strings.Clone(line[:cut]) // or the rest stays in memory too
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines[t.count%tailLines] = line
	t.count++
}

// Lines returns the kept lines, the oldest first.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := min(t.count, tailLines)
	lines := make([]string, 0, kept)
	for i := t.count - kept; i < t.count; i++ {
		lines = append(lines, t.lines[i%tailLines])
	}
	return lines
}

// Reset forgets all lines, as the next process begins.
func (t *Tail) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count = 0
}
