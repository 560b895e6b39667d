package testkit

import (
	"regexp"
	"strings"
	"testing"
)

// CheckFailures fails a test whose log has a FAILED block without all that its reader
// needs: what was said, why, what to do, what has changed, whether it is tried again.
func CheckFailures(t testing.TB, log string) {
	t.Helper()
	for _, block := range FailedBlocks(log) {
		for _, part := range []string{"said", "cause", "fix", "changed", "retry"} {
			if !regexp.MustCompile(`(?m)^  ` + part + ` +\S`).MatchString(block) {
				t.Errorf("a failure has no %s:\n%s", part, block)
			}
		}
		if strings.Contains(block, "which is a defect") {
			t.Errorf("a failure has no explanation of its own:\n%s", block)
		}
	}
}

var logged = regexp.MustCompile(`(?m)^\S+Z ERROR `)

// FailedBlocks returns the blocks of a log that say why a boot has failed.
func FailedBlocks(log string) (blocks []string) {
	open := false
	for line := range strings.Lines(logged.ReplaceAllString(log, "")) {
		switch {
		case strings.HasPrefix(line, "FAILED at "):
			blocks, open = append(blocks, line), true
		case open && strings.HasPrefix(line, "  "):
			blocks[len(blocks)-1] += line
		default:
			open = false
		}
	}
	return blocks
}
