package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

var (
	// counted is a number before a noun of several, which one is not.
	counted = regexp.MustCompile(`%d (?:[a-z]+ )?([a-z]{2,}s)\b`)
	// notCounted are words with an s that are no such noun, and nouns of numbers that are
	// never one: sizes, and limits that are written down.
	notCounted = regexp.MustCompile(`^(?:was|has|its|bytes|redirects|times|problems|lines|keys|uid|says)$`)
)

// TestCountsHaveTheirNoun: a number in what tale says has its noun by english.Plural, so
// that there are no "1 files".
func TestCountsHaveTheirNoun(t *testing.T) {
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, "internal/tale/") || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(path.Dir(name), "test") {
			continue
		}
		text, err := os.ReadFile(root + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if literal, is := node.(*ast.BasicLit); is && literal.Kind == token.STRING {
				for _, found := range counted.FindAllStringSubmatch(literal.Value, -1) {
					if !notCounted.MatchString(found[1]) {
						t.Errorf("%s: %q of one is no plural: english.Plural", files.Position(literal.Pos()), found[0])
					}
				}
			}
			return true
		})
	}
}
