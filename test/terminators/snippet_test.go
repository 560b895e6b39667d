package terminators

import (
	"os"
	"strings"
	"testing"
)

// snippet returns the code block of the language below the heading in
// docs/operations.md.
func snippet(t *testing.T, heading, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n### "+heading+"\n")
	_, block, fenced := strings.Cut(section, "\n```"+language+"\n")
	code, _, closed := strings.Cut(block, "\n```\n")
	if !found || !fenced || !closed {
		t.Fatalf("docs/operations.md has no %s under %q", language, heading)
	}
	return code
}

// fit replaces what is different at each site. Every old text must be there, so
// that a snippet that changed is not tested half.
func fit(t *testing.T, code string, replacements ...string) string {
	t.Helper()
	for i := 0; i+1 < len(replacements); i += 2 {
		if !strings.Contains(code, replacements[i]) {
			t.Fatalf("%q is not in\n%s", replacements[i], code)
		}
		code = strings.ReplaceAll(code, replacements[i], replacements[i+1])
	}
	return code
}
