package config_test

import (
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
)

func TestParseCommand(t *testing.T) {
	for line, want := range map[string][]string{
		"bun server.ts":          {"bun", "server.ts"},
		`node "/a b/s.js" 'x y'`: {"node", "/a b/s.js", "x y"},
		`a\ b $HOME *`:           {"a b", "$HOME", "*"},
		"  ":                     nil,
	} {
		if got, err := config.ParseCommand(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	for _, bad := range []string{`a "b`, "a; b", "a && b", "a | b", `a > b`, `a 'b`} {
		if got, err := config.ParseCommand(bad); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}
