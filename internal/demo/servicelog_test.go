package demo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/supervise"
)

// TestAFailureIsExplained: npm says what is wrong first, and then every flag that it has.
func TestAFailureIsExplained(t *testing.T) {
	for lines, want := range map[int]string{1: "", firstLines + lastLines: "", 100: "… 70 more lines"} {
		log, err := openServiceLog(&folder{path: t.TempDir()}, "packages", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range lines {
			log.line(supervise.Stdout, fmt.Appendf(nil, "line %d.", i+1))
		}
		said := log.explain(errors.New("failed")).Error()
		for _, part := range []string{"failed; from ", "line 1.", fmt.Sprintf("line %d.", lines), want} {
			if !strings.Contains(said, part) {
				t.Errorf("%d lines: %q is not in: %s", lines, part, said)
			}
		}
		if got := strings.Count(said, "    line "); got != min(lines, firstLines+lastLines) {
			t.Errorf("%d lines: %d are shown", lines, got)
		}
		log.close()
	}
}
