package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The cluster is started by hand only, and so late would one notice a command that nothing runs.
func TestEveryCommandOfTheGuideHasASection(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "orchestrators.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := commandsOf(string(text))
	for _, s := range sections() {
		if all[s.name] == "" {
			t.Errorf("the guide has no command in %q", s.name)
		}
		delete(all, s.name)
	}
	for name, commands := range all {
		t.Errorf("nothing runs the commands of %q: %q", name, commands)
	}
}
