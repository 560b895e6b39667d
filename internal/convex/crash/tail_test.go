package crash

import (
	"strconv"
	"strings"
	"testing"
)

func TestLogTailKeepsTheLastLines(t *testing.T) {
	var tail Tail
	for i := range 200 {
		tail.Add(strconv.Itoa(i))
	}
	lines := tail.Lines()
	if len(lines) != tailLines || lines[0] != "120" || lines[tailLines-1] != "199" {
		t.Errorf("%d lines from %s to %s", len(lines), lines[0], lines[len(lines)-1])
	}
	tail.Reset()
	tail.Add(strings.Repeat("ü", 2_000))
	if lines := tail.Lines(); len(lines) != 1 || len(lines[0]) > tailLineMax || strings.ContainsRune(lines[0], '�') {
		t.Errorf("%d lines, %d bytes", len(lines), len(lines[0]))
	}
}
