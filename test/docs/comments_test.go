package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	pageName = regexp.MustCompile(`\b[\w-]+\.md\b`)
	// mixedCaps is a word that can only be an identifier, or a proper name, with the
	// package, folder or escape before it.
	mixedCaps = regexp.MustCompile(`(\w+\.|[/:\\])?\b((?:[a-z]+[A-Z]|[A-Z]+[a-z]+[A-Z]|[A-Z]{2,}[a-z]+[A-Z]?)\w*)\b`)
	// elsewhere are words that announce a document which a reader does not have.
	elsewhere = regexp.MustCompile(`(?i)\b(?:facts?|design|fact sheet):`)
)

// properNames are words with a capital inside that name no identifier.
var properNames = regexp.MustCompile(`^(?:[A-Z]+s|GitHub|GitLab|JavaScript|TypeScript|WebSockets?|OpenID|OpenSSL|BoringSSL|SQLite|PostgreSQL|PgBouncer|LetsEncrypt|DigitalOcean|FreeBSD|QEMU|YAML\w*|macOS|iOS|gRPC|ECDSAs?|IPv4|IPv6|GiB|MiB|KiB|TiB|OAuth|DoS|UUIDs|BuildKit|NaCl|VictoriaMetrics|PromQL|OpenShift)$`)

// TestCommentsNameWhatExists holds comments to the rule of the pages: the pages,
// Go files, make targets and identifiers that they name are in the tree.
func TestCommentsNameWhatExists(t *testing.T) {
	files, targets := goFiles(t), makeTargets(t)
	code, packages := codeText(t), packageNames(t)
	eachComment(t, func(where token.Position, text string) {
		for _, name := range pageName.FindAllString(text, -1) {
			if !exists(root+"/"+name) && !exists(root+"/docs/"+name) {
				t.Errorf("%s names the page %s, which does not exist", where, name)
			}
		}
		for _, name := range goFile.FindAllString(text, -1) {
			if !files[name] {
				t.Errorf("%s names %s, and no file is called that", where, name)
			}
		}
		for _, match := range makeTarget.FindAllStringSubmatch(text, -1) {
			// Without backticks it may be the verb at the beginning of a line.
			if target := match[1]; target != "" && !targets[target] {
				t.Errorf("%s names make %s, which the Makefile does not have", where, target)
			}
		}
		for _, match := range mixedCaps.FindAllStringSubmatch(text, -1) {
			of, name := match[1], match[2]
			foreign := of != "" && !packages[strings.TrimSuffix(of, ".")]
			if !foreign && !properNames.MatchString(name) && !strings.Contains(code, name) {
				t.Errorf("%s names %s, which nothing in the tree is called", where, name)
			}
		}
		if match := elsewhere.FindString(text); match != "" {
			t.Errorf("%s refers to a document outside of the tree: %s", where, match)
		}
	})
}

// TestCommentsOfFunctionsSayWhatTheyReturn holds comments to Go's own form: a function
// with a result returns, reports or does something, and is nothing.
func TestCommentsOfFunctionsSayWhatTheyReturn(t *testing.T) {
	eachGoFile(t, func(set *token.FileSet, file *ast.File) {
		for _, declaration := range file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if !ok || f.Doc == nil || f.Type.Results == nil || len(f.Type.Results.List) == 0 {
				continue
			}
			words := strings.Fields(f.Doc.Text())
			if len(words) > 1 && words[0] == f.Name.Name && slices.Contains([]string{"is", "are"}, words[1]) {
				t.Errorf("%s: the comment says what %s %s, not what it returns", set.Position(f.Pos()), words[0], words[1])
			}
		}
	})
}

// eachComment calls do for every comment of every Go file.
func eachComment(t *testing.T, do func(token.Position, string)) {
	t.Helper()
	eachGoFile(t, func(set *token.FileSet, file *ast.File) {
		for _, group := range file.Comments {
			if text := group.Text(); text != "" {
				do(set.Position(group.Pos()), text)
			}
		}
	})
}

func eachGoFile(t *testing.T, do func(*token.FileSet, *ast.File)) {
	t.Helper()
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path.Join(root, name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		do(set, file)
	}
}

// codeText returns everything in the tree but Go comments.
func codeText(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	add := func(part string) { text.WriteString(part + "\n") }
	eachGoFile(t, func(_ *token.FileSet, file *ast.File) {
		ast.Inspect(file, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.Ident:
				add(n.Name)
			case *ast.BasicLit:
				add(n.Value)
			}
			return true
		})
	})
	for _, name := range tracked(t) {
		if strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".png") {
			continue
		}
		content, err := os.ReadFile(path.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		add(string(content))
	}
	return text.String()
}

func packageNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	eachGoFile(t, func(_ *token.FileSet, file *ast.File) { names[file.Name.Name] = true })
	return names
}

// tracked returns the repository's files; outside of a checkout, those on disk.
func tracked(t *testing.T) (names []string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = root
	if out, err := list.Output(); err == nil {
		for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			if exists(path.Join(root, name)) {
				names = append(names, name)
			}
		}
		return names
	}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == "bin"):
			return filepath.SkipDir
		case entry.Type().IsRegular():
			relative, err := filepath.Rel(root, name)
			names = append(names, relative)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
