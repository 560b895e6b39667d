package place

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Commands and files of docker compose, in the words of other places.
func TestSay(t *testing.T) {
	for text, want := range map[string][2]string{
		"docker compose logs --tail 200 convex":                                         {"kubectl -n shop logs --tail 200 statefulset/convex", "the log of convex"},
		"docker compose logs convex | grep -i npm":                                      {"kubectl -n shop logs statefulset/convex | grep -i npm", "the log of convex | grep -i npm"},
		"report it: docker compose logs":                                                {"report it: kubectl -n shop logs --prefix --all-containers --tail=-1 -l app.kubernetes.io/part-of=tale", "report it: the log of it"},
		"docker compose exec convex convex-entrypoint status; docker compose ps convex": {"kubectl -n shop exec statefulset/convex -- convex-entrypoint status; kubectl -n shop get pods -l 'app.kubernetes.io/name in (convex)'", "run: convex-entrypoint status; see whether convex runs"},
		"docker compose run --rm platform doctor":                                       {"kubectl -n shop exec deployment/platform -- platform-entrypoint doctor", "platform-entrypoint doctor"},
		"docker compose run --rm proxy validate":                                        {"kubectl -n shop exec deployment/proxy -- proxy validate", "proxy validate"},
		"A=1 in .env, then docker compose up -d convex and deploy":                      {"A=1 in the ConfigMap or Secret, then kubectl apply -k . and deploy", "A=1 in its environment, then start convex again and deploy"},
		"docker compose up -d platform":                                                 {"kubectl -n shop delete job -l app.kubernetes.io/name=push; kubectl apply -k .", "start platform again"},
		"docker compose up -d --force-recreate convex platform (after)":                 {"kubectl -n shop rollout restart statefulset/convex deployment/platform (after)", "start convex and platform again (after)"},
		"docker compose restart db, if it hangs":                                        {"restart Postgres, if it hangs", "start db again, if it hangs"},
		"docker compose ps db convex":                                                   {"kubectl -n shop get pods -l 'app.kubernetes.io/name in (convex)'", "see whether db and convex runs"},
		"process.env.NAME and .envelope":                                                {"process.env.NAME and .envelope", "process.env.NAME and .envelope"},
		"what docker composes":                                                          {"what docker composes", "what docker composes"},
	} {
		if got := [2]string{kubernetes("shop").say(text), bare().say(text)}; got != want {
			t.Errorf("%s:\n%q\n%q", text, got[0], got[1])
		}
	}
}

// The place is decided by what Kubernetes gives to every pod.
func TestSayDecides(t *testing.T) {
	const text = "docker compose restart convex"
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	if said := Say(text); !strings.HasPrefix(said, "kubectl ") {
		t.Error(said)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if said := Say(text); strings.Contains(said, "kubectl") {
		t.Error(said)
	}
}

func TestNamespace(t *testing.T) {
	for text, want := range map[string]string{
		"search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n": "shop",
		"nameserver 10.96.0.10\nsearch shop.svc.example.org\n":                                                    "shop",
		"search example.com\n":       "",
		"search svc.cluster.local\n": "",
		"":                           "",
	} {
		file := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := namespace(file); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// compose are words that have no meaning where there is no docker compose.
var compose = regexp.MustCompile(`\b(docker|compose|mem_limit)\b|(^|[ (])\.env\b`)

// cluster are words that have no meaning where there is no Kubernetes.
var cluster = regexp.MustCompile(`\b(kubectl|kustomization|in Kubernetes)\b`)

// Every text of the programs in containers has words for every place: all literals are looked
// at, but for those that are no messages, which are tags and the examples of commands' help.
func TestEveryMessageHasWords(t *testing.T) {
	seen := 0
	for _, root := range []string{"..", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && elsewhere(path) {
				return fs.SkipDir
			}
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "diagnosis/page.go") { // which writes docs
				return err
			}
			for _, text := range literals(t, path) {
				if seen++; cluster.MatchString(text) {
					t.Errorf("%s: %q is said everywhere", path, text)
				}
				if !compose.MatchString(text) {
					continue
				}
				text = regexp.MustCompile(`%(\[\d\])?[sdq]`).ReplaceAllString(text, "convex")
				for place, said := range map[string]string{"Kubernetes": kubernetes("shop").say(text), "a machine": bare().say(text)} {
					if compose.MatchString(said) {
						t.Errorf("%s: %q is said on %s as %q", path, text, place, said)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 1000 {
		t.Errorf("only %d texts were looked at", seen)
	}
}

// elsewhere reports whether a folder has code that runs on the host, or in tests only.
func elsewhere(path string) bool {
	switch filepath.ToSlash(path) {
	case "../place", "../tale", "../demo", "../testkit", "../convexsim", "../../cmd/tale", "../../cmd/demo":
		return true
	}
	return false
}

func literals(t *testing.T, path string) (found []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			n.Tag = nil
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Example" {
				return false
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); n.Kind == token.STRING && err == nil {
				found = append(found, text)
			}
		}
		return true
	})
	return found
}
