package docs_test

import (
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// maxFiles is how many source files a package may have; a reader looks at them as
// one list.
const maxFiles = 25

// crowded are the packages that have more, each with how many at most.
var crowded = map[string]int{"internal/convex": 29, "internal/proxy": 28}

func TestNoPackageIsCrowded(t *testing.T) {
	files := map[string]int{}
	for _, name := range tracked(t) {
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			files[path.Dir(name)]++
		}
	}
	for name, count := range files {
		most := max(maxFiles, crowded[name])
		if count > most {
			t.Errorf("%s has %d source files; %d are the most", name, count, most)
		}
	}
}

func TestNoProgramLinksPackageTesting(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", buildTags(t),
		"-f", `{{$of := .ImportPath}}{{range .Imports}}{{if eq . "testing"}}{{$of}}{{end}}{{end}}`, "./cmd/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("cannot list what the programs link: %v", err)
	}
	for _, importer := range strings.Fields(string(out)) {
		t.Errorf("a program links package testing by way of %s", importer)
	}
}

// buildTags returns the tags that the Makefile builds the programs with.
func buildTags(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if tags, ok := strings.CutPrefix(line, "TAGS"); ok {
			return strings.Trim(tags, " :=\n")
		}
	}
	t.Fatal("the Makefile has no TAGS")
	return ""
}
