package config_test

import (
	"slices"
	"strings"
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
	if _, err := config.ParseCommand("NODE_ENV=production node server.mjs"); err == nil || !strings.Contains(err.Error(), "write env NODE_ENV=… before the program") {
		t.Error(err)
	}
	if got, err := config.ParseCommand("./a=b x=y"); err != nil || !slices.Equal(got, []string{"./a=b", "x=y"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{`a "b`, "a; b", "a && b", "a | b", `a > b`, `a 'b`} {
		if got, err := config.ParseCommand(bad); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}
