package envsync

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tale-project/tale-runtime/internal/config"
)

// warningsOf returns remarks about values that look as if something before us had
// broken them. Nothing is changed: they may be meant. No value is quoted.
func warningsOf(goal Goal) []string {
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(goal.Values)) {
		strays := config.Strays
		if slices.Contains(goal.Secrets, name) {
			strays = config.LineStrays
		}
		for _, remark := range strays(name, goal.Values[name]) {
			warnings = append(warnings, name+" "+remark)
		}
	}
	return warnings
}

// checkSendable reports the variables that JSON cannot carry byte for byte. The
// backend's own limits are the backend's to apply: they differ by release.
func checkSendable(goal Goal) error {
	var bad []string
	for _, name := range slices.Sorted(maps.Keys(goal.Values)) {
		value := goal.Values[name]
		if !utf8.ValidString(value) {
			bad = append(bad, fmt.Sprintf("%s (%d bytes) is not valid UTF-8", name, len(value)))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return fmt.Errorf("cannot push %d environment variables; the backend stores text only, encode binary values (base64):\n%s", len(bad), strings.Join(bad, "\n"))
}
