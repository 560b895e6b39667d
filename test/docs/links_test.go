package docs_test

import (
	"cmp"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

var (
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// inRepository is a path from the repository's root, patterns included.
	inRepository = regexp.MustCompile("`((?:\\.ci|cmd|deploy|docs|examples|images|internal|test|tools)/[^`\\s:]*)`")
	goFile       = regexp.MustCompile(`\b\w+\.go\b`)
	makeTarget   = regexp.MustCompile("`make ([a-z0-9-]+)|(?m)^make ([a-z0-9-]+)")
	headings     = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	targetOf     = regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
)

// TestDocumentsNameWhatExists looks at every link, path, Go file and make target
// that README.md and docs/ name.
func TestDocumentsNameWhatExists(t *testing.T) {
	files, targets := goFiles(t), makeTargets(t)
	for _, page := range pages(t) {
		text := read(t, page)
		page = root + "/" + page
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			switch {
			case strings.Contains(target, "://"):
			case target != "" && !exists(path.Join(path.Dir(page), target)):
				t.Errorf("%s links to %s, which does not exist", page, match[1])
			case anchor != "" && !slices.Contains(anchors(t, path.Join(path.Dir(page), cmp.Or(target, path.Base(page)))), anchor):
				t.Errorf("%s links to %s, and the page has no such heading", page, match[1])
			}
		}
		for _, match := range inRepository.FindAllStringSubmatch(text, -1) {
			if !exists(path.Join(root, match[1])) {
				t.Errorf("%s names %s, which does not exist", page, match[1])
			}
		}
		for _, name := range goFile.FindAllString(text, -1) {
			if !files[name] {
				t.Errorf("%s names %s, and no file is called that", page, name)
			}
		}
		for _, match := range makeTarget.FindAllStringSubmatch(text, -1) {
			if target := match[1] + match[2]; !targets[target] {
				t.Errorf("%s names make %s, which the Makefile does not have", page, target)
			}
		}
	}
}

// pages returns the documents, by their path in the repository.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(root + "/docs/*.md")
	if err != nil || len(found) < 10 {
		t.Fatalf("%d pages, %v", len(found), err)
	}
	for i, page := range found {
		found[i] = "docs/" + path.Base(page)
	}
	return append(found, "README.md")
}

// anchors returns what links to the headings of a page end with.
func anchors(t *testing.T, page string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, heading := range headings.FindAllStringSubmatch(string(text), -1) {
		name := notInAnchors.ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// exists takes patterns such as internal/push/diagnosis/rows_*.go, too.
func exists(file string) bool {
	found, err := filepath.Glob(file)
	return err == nil && len(found) > 0
}

func goFiles(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, folder := range []string{"cmd", "deploy", "internal", "test"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(_ string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if err == nil && strings.HasSuffix(entry.Name(), ".go") {
				names[entry.Name()] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}

func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(root + "/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, match := range targetOf.FindAllStringSubmatch(string(text), -1) {
		targets[match[1]] = true
	}
	return targets
}
