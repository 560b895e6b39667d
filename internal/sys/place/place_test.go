package place

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// means returns all that a message may name, as each place words them.
func means() map[string][]struct {
	say  func(Place) string
	want [3]string // compose, Kubernetes, a machine
} {
	return map[string][]struct {
		say  func(Place) string
		want [3]string
	}{
		"Log": {
			{func(p Place) string { return p.Log("convex") }, [3]string{"docker compose logs convex", "kubectl -n shop logs statefulset/convex", "the log of convex"}},
			{func(p Place) string { return p.Log("db") }, [3]string{"docker compose logs db", "the log of Postgres", "the log of db"}},
		},
		"Tail":        {{func(p Place) string { return p.Tail(200, "convex") }, [3]string{"docker compose logs --tail 200 convex", "kubectl -n shop logs --tail 200 statefulset/convex", "the log of convex"}}},
		"Logs":        {{Place.Logs, [3]string{"docker compose logs", "kubectl -n shop logs --prefix --all-containers --tail=-1 -l app.kubernetes.io/part-of=tale", "the log of it"}}},
		"PushLog":     {{Place.PushLog, [3]string{"the log of the push (platform-entrypoint push)", "the log of the push: kubectl -n shop logs -l app.kubernetes.io/name=push --tail=-1", "the log of the push (platform-entrypoint push)"}}},
		"PushAgain":   {{Place.PushAgain, [3]string{"run its push again (platform-entrypoint push)", "kubectl -n shop delete job -l app.kubernetes.io/name=push; kubectl apply -k . or helm upgrade", "run its push again (platform-entrypoint push)"}}},
		"PostgresLog": {{Place.PostgresLog, [3]string{"Postgres' log: docker compose logs --tail 50 db", "Postgres' log", "Postgres' log"}}},
		"State": {
			{func(p Place) string { return p.State() }, [3]string{"docker compose ps", "kubectl -n shop get pods", "see whether it runs"}},
			{func(p Place) string { return p.State("db", "convex") }, [3]string{"docker compose ps db convex", "kubectl -n shop get pods -l 'app.kubernetes.io/name in (convex)'", "see whether db and convex runs"}},
			{func(p Place) string { return p.State("db") }, [3]string{"docker compose ps db", "see whether Postgres is up", "see whether db runs"}},
		},
		"Containers": {
			{func(p Place) string { return p.Containers("platform") }, [3]string{"docker ps --filter name=platform", "kubectl -n shop get pods -l app.kubernetes.io/name=push", "pgrep -a platform"}},
			{func(p Place) string { return p.Containers("convex") }, [3]string{"docker ps -a --filter name=convex", "kubectl get pods -A -l app.kubernetes.io/name=convex", "pgrep -a convex"}},
		},
		"Restart": {
			{func(p Place) string { return p.Restart("convex") }, [3]string{"docker compose restart convex", "kubectl -n shop rollout restart statefulset/convex", "start convex again"}},
			{func(p Place) string { return p.Restart("db") }, [3]string{"docker compose restart db", "restart Postgres", "start db again"}},
		},
		"Start": {
			{func(p Place) string { return p.Start() }, [3]string{"docker compose up -d", "kubectl apply -k . or helm upgrade", "start it again"}},
			{func(p Place) string { return p.Start("convex") }, [3]string{"docker compose up -d convex", "kubectl apply -k . or helm upgrade", "start convex again"}},
			{func(p Place) string { return p.Start("platform") }, [3]string{"docker compose up -d platform", "kubectl -n shop delete job -l app.kubernetes.io/name=push; kubectl apply -k . or helm upgrade", "start platform again"}},
			{func(p Place) string { return p.Start("db") }, [3]string{"docker compose up -d db", "start Postgres", "start db again"}},
		},
		"Recreate": {
			{func(p Place) string { return p.Recreate("platform") }, [3]string{"docker compose up -d --force-recreate platform", "kubectl -n shop delete job -l app.kubernetes.io/name=push; kubectl apply -k . or helm upgrade", "start platform again"}},
			{func(p Place) string { return p.Recreate("convex", "platform") }, [3]string{"docker compose up -d --force-recreate convex platform", "kubectl -n shop rollout restart statefulset/convex deployment/platform", "start convex and platform again"}},
		},
		"Exec": {
			{func(p Place) string { return p.Exec("convex", "df -h /app/data") }, [3]string{"docker compose exec convex df -h /app/data", "kubectl -n shop exec statefulset/convex -- df -h /app/data", "run: df -h /app/data"}},
			{func(p Place) string { return p.Exec("db", "df -h") }, [3]string{"docker compose exec db df -h", "where Postgres is: df -h", "run: df -h"}},
		},
		"Run": {
			{func(p Place) string { return p.Run("platform", "doctor") }, [3]string{"docker compose run --rm platform doctor", "kubectl -n shop exec deployment/platform -- platform-entrypoint doctor", "platform-entrypoint doctor"}},
			{func(p Place) string { return p.Run("proxy", "validate") }, [3]string{"docker compose run --rm proxy validate", "kubectl -n shop exec deployment/proxy -- proxy validate", "proxy validate"}},
		},
		"Settings":    {{Place.Settings, [3]string{".env", "the ConfigMap, the Secret or the chart's settings", "its environment"}}},
		"Files":       {{Place.Files, [3]string{".env or the compose file", "the ConfigMap, the Secret or the chart's settings", "its environment"}}},
		"Values":      {{Place.Values, [3]string{".env", "values", "values"}}},
		"Set":         {{func(p Place) string { return p.Set("A=1", "convex") }, [3]string{"A=1 in .env, then docker compose up -d convex", "A=1 in the ConfigMap, the Secret or the chart's settings, then kubectl apply -k . or helm upgrade", "A=1 in its environment, then start convex again"}}},
		"Version":     {{Place.Version, [3]string{"TALE_VERSION in .env", "newTag of the kustomization, images.tag of the chart", "the version"}}},
		"Name":        {{func(p Place) string { return p.Name("the alias HOST") }, [3]string{"inside the compose network the proxy needs the alias HOST; outside, a DNS record", "it needs a DNS record that pods can resolve", "it needs a DNS record"}}},
		"NameServers": {{Place.NameServers, [3]string{"/etc/resolv.conf; in compose it is 127.0.0.11, of the engine: is the container in a network? docker compose up -d --force-recreate", "/etc/resolv.conf; those of the cluster: kubectl -n kube-system get pods", "/etc/resolv.conf"}}},
		"BackendURL":  {{Place.BackendURL, [3]string{" (inside the compose network: http://convex:3210)", " (inside the namespace: http://convex:3210)", ""}}},
		"User":        {{Place.User, [3]string{"user in the compose file", "runAsUser in its securityContext", "User= of its unit"}}},
		"RaiseMemory": {
			{func(p Place) string { return p.RaiseMemory("convex") }, [3]string{"raise mem_limit of the convex service in the compose file", "raise resources.limits.memory of convex", "raise the memory limit of the control group of convex"}},
			{func(p Place) string { return p.RaiseMemory("") }, [3]string{"raise the container's memory limit (mem_limit or deploy.resources.limits.memory in the compose file)", "raise the container's memory limit (resources.limits.memory)", "raise the container's memory limit, which its control group has"}},
		},
		"ProcessLimit": {{Place.ProcessLimit, [3]string{"pids_limit in the compose file", "the kubelet's podPidsLimit", "ulimit -u"}}},
		"Limits":       {{Place.Limits, [3]string{"pids_limit and ulimits in the compose file", "the kubelet's podPidsLimit, the runtime's limits", "ulimit -u, ulimit -n"}}},
		"FileLimit":    {{Place.FileLimit, [3]string{"ulimits: { nofile: 65536 } of this service in the compose file", "LimitNOFILE of the node's container runtime", "ulimit -n 65536"}}},
		"SizeLimit": {{Place.SizeLimit, [3]string{
			"ulimit -f unlimited where the container is started, or ulimits: { fsize: -1 } of this service in the compose file",
			"ulimit -f unlimited where the container is started, or LimitFSIZE of the node's container runtime",
			"ulimit -f unlimited where it is started",
		}}},
		"Load": {
			{func(p Place) string { return p.Load() }, [3]string{"docker stats --no-stream", "kubectl -n shop top pods", "top"}},
			{func(p Place) string { return p.Load("convex", "db") }, [3]string{"docker stats --no-stream", "kubectl -n shop top pods", "top"}},
			{func(p Place) string { return p.Load("db") }, [3]string{"docker stats --no-stream", "the load of Postgres", "top"}},
		},
		"DiskUse":     {{Place.DiskUse, [3]string{"docker system df", "df -h", "df -h"}}},
		"OutOfMemory": {{func(p Place) string { return p.OutOfMemory("platform") }, [3]string{"docker inspect --format '{{.State.OOMKilled}}' $(docker compose ps -aq platform)", "kubectl -n shop get pods -l app.kubernetes.io/name=push -o jsonpath='{..terminated.reason}' (OOMKilled?)", "dmesg | grep -i 'out of memory'"}}},
		"FindKiller": {{Place.FindKiller, [3]string{
			"find what on the host sends signals here (docker kill, kill, a watchdog, a security tool): dmesg, journalctl and docker events of that moment",
			"find what on the host sends signals here (an eviction, a watchdog, a security tool): kubectl -n shop get events, dmesg and journalctl of that moment",
			"find what on the host sends signals here (kill, a watchdog, a security tool): dmesg and journalctl of that moment",
		}}},
		"Self":   {{Place.Self, [3]string{"this container", "this pod", ""}}},
		"Frozen": {{Place.Frozen, [3]string{"docker pause, a frozen host", "a frozen host", "a frozen host"}}},
	}
}

// Every means has its words in every place, and none of another one.
func TestMeans(t *testing.T) {
	all := means()
	for method := range reflect.TypeFor[Place]().Methods() {
		if len(all[method.Name]) == 0 {
			t.Errorf("the test has no %s", method.Name)
		}
	}
	for name, examples := range all {
		for _, example := range examples {
			for i, p := range []Place{Compose(), inNamespace("shop"), {kind: bare}} {
				said := example.say(p)
				if said != example.want[i] {
					t.Errorf("%s: %q, want %q", name, said, example.want[i])
				}
				if i > 0 && ofCompose.MatchString(said) || i != 1 && ofCluster.MatchString(said) {
					t.Errorf("%s: %q has words of another place", name, said)
				}
			}
		}
	}
}

// The place is decided by what Kubernetes gives to every pod.
func TestHere(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
	if said := Here().Restart("convex"); !strings.HasPrefix(said, "kubectl ") {
		t.Error(said)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if said := Here().Restart("convex"); strings.Contains(said, "kubectl") {
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

// ofCompose are words that have no meaning where there is no docker compose.
var ofCompose = regexp.MustCompile(`\b(docker|compose|mem_limit|ulimits)\b|(^|[ (])\.env\b`)

// ofCluster are words that have no meaning where there is no Kubernetes.
var ofCluster = regexp.MustCompile(`\b(kubectl|helm|kustomization|in Kubernetes)\b`)

// No text of the programs in containers has words of one place: all literals are looked at,
// but for those that are no messages, which are tags and the examples of commands' help.
func TestMessagesNameMeans(t *testing.T) {
	seen := 0
	for _, root := range []string{"../..", "../../../cmd"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && elsewhere(path) {
				return fs.SkipDir
			}
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "diagnosis/page.go") { // which writes docs
				return err
			}
			for _, text := range literals(t, path) {
				if seen++; ofCluster.MatchString(text) || ofCompose.MatchString(text) {
					t.Errorf("%s: %q is said everywhere: name a means of package place", path, text)
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
	case "../../sys/place", "../../tale", "../../demo", "../../testkit", "../../convexsim", "../../../cmd/tale", "../../../cmd/demo":
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
		case *ast.AssignStmt:
			if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && to.Sel.Name == "Example" {
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
