package report_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/report"
)

// Whoever makes a failure goes through New, which takes what its reader needs.
func TestOnlyNewMakesFailures(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			literal, ok := node.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if selector, ok := literal.Type.(*ast.SelectorExpr); ok && fmt.Sprint(selector.X) == "report" && selector.Sel.Name == "Failure" {
				t.Errorf("%s makes a report.Failure by itself", set.Position(literal.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil || files < 300 {
		t.Errorf("%d files, %v", files, err)
	}
}

// Whatever an error is, its failure has all parts but the change, which is the boot's.
func TestEveryErrorIsExplained(t *testing.T) {
	errs := []error{
		errors.New("plain"), config.Problems{{Variable: "A", Wrong: "is not set"}}, config.Problems{{Variable: "A", Wrong: "is not set"}, {Variable: "B", Wrong: "is too"}},
		report.New(exit.Config, "said", "cause", "fix").Err(nil), fmt.Errorf("wrapped: %w", report.New(exit.Temporary, "said", "cause", "fix", "or this").Err(errors.New("x"))),
	}
	for code := range 140 {
		errs = append(errs, exit.Errorf(code, "code %d", code))
	}
	for _, err := range errs {
		f := report.Explain("wait", err)
		if f.Stage == "" || f.Message == "" || f.Cause == "" || len(f.Fix) == 0 || f.Fix[0] == "" || f.ExitCode != exit.Code(err) {
			t.Errorf("%v: %+v", err, f)
		}
		if line := f.Line(); strings.Contains(line, "\n") || len(line) > 500 || !strings.HasPrefix(line, "FAILED at wait: ") || !strings.Contains(line, "fix: ") {
			t.Errorf("%v: %q", err, line)
		}
	}
}
