package push

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/push/backend"
	"github.com/tale-project/tale-runtime/internal/push/convexcli/clitest"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
	"github.com/tale-project/tale-runtime/internal/stack/adminkey"
)

// withRecord lets the deploy mint keys, as the platform does.
func (d *testDeploy) withRecord() *testDeploy {
	d.MintKey = func(member uint64) (string, error) {
		return adminkey.MintFor(convexsim.DefaultInstanceName, convexsim.DefaultInstanceSecret, member)
	}
	return d
}

// skipped deploys and says whether it found nothing to do; if so, it must have
// changed nothing.
func (d *testDeploy) skipped(t *testing.T) bool {
	t.Helper()
	before, pushes := len(d.sim.Requests()), d.sim.State().Pushes
	done, err := Deploy(t.Context(), logging.New(&d.log, logging.FormatConsole, slog.LevelDebug), d.client, d.Options)
	d.report = done
	if err != nil {
		t.Fatal(err, d.log.String())
	}
	if done.Skipped == "" {
		if d.sim.State().Pushes != pushes+1 {
			t.Fatal("it neither pushed nor says that it skipped")
		}
		return false
	}
	for _, r := range d.sim.Requests()[before:] {
		reads := r.Method == http.MethodGet || slices.Contains([]string{"/api/query", "/api/get_config_hashes"}, r.Path)
		if !reads || r.Status != http.StatusOK {
			t.Errorf("a skipped push made the request %s %s: %d", r.Method, r.Path, r.Status)
		}
	}
	return true
}

func (d *testDeploy) set(t *testing.T, name, value string) {
	t.Helper()
	if err := d.client.UpdateEnv(t.Context(), []backend.EnvUpdate{{Name: name, Value: &value}}); err != nil {
		t.Fatal(err)
	}
}

const otherSchema = `import { defineSchema } from "convex/server"; export default defineSchema({ other: defineTable({}) });`

// other is another release of the app: only its component differs.
func otherComponent() pushtest.Request {
	r := pushtest.NewRequest()
	r.Components[0].Functions[0].Source += "// newer"
	return r
}

func TestASecondDeployFindsNothingToDo(t *testing.T) {
	d := newTestDeploy(t).byRequest(t).withRecord()
	d.set(t, "SITE_URL", "https://a.example")
	if d.skipped(t) {
		t.Fatal("nothing was deployed yet")
	}
	for range 3 {
		if !d.skipped(t) {
			t.Fatal("pushed again:\n" + d.log.String())
		}
	}
	d.sim = simtest.Restart(t, d.sim)
	d.client.Close() // of its connections, too; a POST is not sent again
	if !d.skipped(t) {
		t.Error("pushed again after a restart of the backend:\n" + d.log.String())
	}
}

// After each of these the deployment is not what the second deploy would push, or
// it cannot be known to be.
func TestADeployIsNotSkippedWhen(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, *testDeploy){
		"another release was pushed": func(t *testing.T, d *testDeploy) {
			d.pushOther(t, pushtest.NewRequest().With(func(r *pushtest.Request) { r.AppDefinition.ChangedModules[0].Source += "//" }))
		},
		"another release with other components was pushed": func(t *testing.T, d *testDeploy) { d.pushOther(t, otherComponent()) },
		"this release has other components":                func(t *testing.T, d *testDeploy) { d.Request = otherComponent().Write(t) },
		"this release has another schema": func(t *testing.T, d *testDeploy) {
			d.Request = pushtest.NewRequest().With(func(r *pushtest.Request) { r.AppDefinition.Schema.Source = otherSchema }).Write(t)
		},
		"this release has other node dependencies": func(t *testing.T, d *testDeploy) {
			d.Request = pushtest.NewRequest().With(func(r *pushtest.Request) {
				r.NodeDependencies = []map[string]any{{"name": "sharp", "version": "0.34.0"}}
			}).Write(t)
		},
		"this release was pushed by the CLI": func(t *testing.T, d *testDeploy) {
			cli := *d
			cli.byCLI(t, clitest.Deploys)
			if _, err := Deploy(t.Context(), logging.Discard(), d.client, cli.Options); err != nil {
				t.Fatal(err)
			}
		},
		"a push of another release stopped after start_push": func(t *testing.T, d *testDeploy) {
			d.beginOther(t, pushtest.NewRequest().With(func(r *pushtest.Request) { r.AppDefinition.Schema.Source = otherSchema }))
		},
		"a variable changed": func(t *testing.T, d *testDeploy) { d.set(t, "SITE_URL", "https://b.example") },
		"a variable came":    func(t *testing.T, d *testDeploy) { d.set(t, "OF_THE_OPERATOR", "") },
		"the backend's URL changed": func(t *testing.T, d *testDeploy) {
			options := d.sim.Options()
			options.Origins = &convexsim.Origins{Cloud: "https://b.example/ws_api", Site: "https://b.example/http_api"}
			d.restartWith(t, options)
		},
		"the packages were lost": func(_ *testing.T, d *testDeploy) { d.losePackages() },
		"the modules were replaced without a push": func(t *testing.T, d *testDeploy) {
			if _, err := d.sim.Inject(fault.Fault{Stage: fault.StageHashes, Status: 200, Body: `{"config":{},"moduleHashes":[]}`, Times: 1}); err != nil {
				t.Fatal(err)
			}
		},
		"a push is forced":     func(_ *testing.T, d *testDeploy) { d.Force = true },
		"no key can be minted": func(_ *testing.T, d *testDeploy) { d.MintKey = nil },
		"the queries are unknown": func(t *testing.T, d *testDeploy) {
			if _, err := d.sim.Inject(fault.Fault{Stage: fault.StageFunction, Message: "Could not find function"}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newTestDeploy(t).byRequest(t).withRecord()
			d.set(t, "SITE_URL", "https://a.example")
			d.skipped(t)
			meanwhile(t, d)
			if d.skipped(t) {
				t.Fatal("skipped")
			}
			if name != "a push is forced" && name != "no key can be minted" && name != "the queries are unknown" && !d.skipped(t) {
				t.Error("the push was not remembered:\n" + d.log.String())
			}
		})
	}
}

// pushOther pushes another request to the same deployment.
func (d *testDeploy) pushOther(t *testing.T, request pushtest.Request) {
	t.Helper()
	other := *d
	other.Request = request.Write(t)
	if other.skipped(t) {
		t.Fatal("the other release was not pushed")
	}
}

// beginOther pushes another request, which is refused at the end.
func (d *testDeploy) beginOther(t *testing.T, request pushtest.Request) {
	t.Helper()
	other := *d
	other.Request = request.Write(t)
	id, err := d.sim.Inject(fault.Fault{Stage: fault.StageFinishPush, Status: 400, Code: "InvalidModules"})
	if err != nil {
		t.Fatal(err)
	}
	_ = other.failure(t)
	d.sim.Remove(id)
}

func (d *testDeploy) restartWith(t *testing.T, options convexsim.Options) {
	t.Helper()
	stopped := simtest.Restart(t, d.sim) // ends the first one
	options.Port, options.SitePort = 0, 0
	options.Storage = stopped.Options().Storage
	d.sim = simtest.Start(t, options)
	d.client = simtest.Client(t, d.sim)
}

func TestADeployIsSkippedWhenTheVariablesAreBack(t *testing.T) {
	d := newTestDeploy(t).byRequest(t).withRecord()
	d.set(t, "SITE_URL", "https://a.example")
	d.skipped(t)
	d.set(t, "SITE_URL", "https://b.example")
	d.set(t, "SITE_URL", "https://a.example")
	if !d.skipped(t) {
		t.Error("pushed although the code was evaluated with these variables:\n" + d.log.String())
	}
}

// A schema that a push left pending in a component that a later release does not use
// stays for ever, and keeps nobody waiting.
func TestAComponentThatIsGoneKeepsNothingPending(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t).byRequest(t).withRecord()
	d.Request = pushtest.NewRequest().With(func(r *pushtest.Request) {
		r.AppDefinition.Dependencies, r.Components = []string{}, []pushtest.Component{}
	}).Write(t)
	withSchema := func(source string) pushtest.Request {
		return pushtest.NewRequest().With(func(r *pushtest.Request) {
			r.Components[0].Schema = &pushtest.Module{Path: "schema.js", Source: source, Environment: "isolate"}
		})
	}
	d.pushOther(t, withSchema("export default defineSchema({});"))
	id, err := d.sim.Inject(fault.Fault{Stage: fault.StageFinishPush, Status: 400, Code: "InvalidModules"})
	if err != nil {
		t.Fatal(err)
	}
	other := *d
	other.Request = withSchema(`export default defineSchema({ n: defineTable({}) });`).Write(t)
	_ = other.failure(t)
	d.sim.Remove(id)
	if d.skipped(t) || !d.skipped(t) {
		t.Error(d.log.String())
	}
	if pending, left := d.sim.State().SchemasOf("counter")["inProgress"]; !left {
		t.Errorf("nothing is pending in the component: %v", pending)
	}
}

func TestModuleDifference(t *testing.T) {
	file, err := requestfile.Open(pushtest.NewRequest().Write(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	index := file.Index
	deployed := func(change func(map[string]backend.ModuleHash)) map[string]backend.ModuleHash {
		modules := map[string]backend.ModuleHash{}
		for _, m := range index.Modules {
			if m.Component == "" {
				modules[m.Path] = backend.ModuleHash{Path: m.Path, SHA256: m.SHA256, Environment: m.Environment}
			}
		}
		change(modules)
		return modules
	}
	for name, c := range map[string]struct {
		change func(map[string]backend.ModuleHash)
		want   string
	}{
		"same":              {func(map[string]backend.ModuleHash) {}, ""},
		"schema not listed": {func(m map[string]backend.ModuleHash) { delete(m, "schema.js"); delete(m, "convex.config.js") }, ""},
		"function missing":  {func(m map[string]backend.ModuleHash) { delete(m, "messages.js") }, "1 modules of the app are new or changed, 0 are removed"},
		"other hash": {func(m map[string]backend.ModuleHash) {
			m["messages.js"] = backend.ModuleHash{Path: "messages.js", SHA256: "00", Environment: "isolate"}
		}, "1 modules"},
		"other schema": {func(m map[string]backend.ModuleHash) {
			m["schema.js"] = backend.ModuleHash{Path: "schema.js", SHA256: "00", Environment: "isolate"}
		}, "1 modules"},
		"one more in the deployment": {func(m map[string]backend.ModuleHash) {
			m["old.js"] = backend.ModuleHash{Path: "old.js", SHA256: "00", Environment: "isolate"}
		}, "1 are removed"},
	} {
		if got := moduleDifference(index, deployed(c.change)); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestRecordIDDependsOnEverything(t *testing.T) {
	urls := backend.CanonicalURLs{Cloud: "a", Site: "b"}
	base := recordID("sha", urls, map[string]string{"A": "1", "B": "2"})
	if base < 1<<halfBits || base >= 1<<recordBits || base != recordID("sha", urls, map[string]string{"B": "2", "A": "1"}) {
		t.Errorf("id %d", base)
	}
	for name, id := range map[string]uint64{
		"request":     recordID("sha2", urls, map[string]string{"A": "1", "B": "2"}),
		"cloud URL":   recordID("sha", backend.CanonicalURLs{Cloud: "x", Site: "b"}, map[string]string{"A": "1", "B": "2"}),
		"site URL":    recordID("sha", backend.CanonicalURLs{Cloud: "a", Site: "x"}, map[string]string{"A": "1", "B": "2"}),
		"value":       recordID("sha", urls, map[string]string{"A": "1", "B": "3"}),
		"boundary":    recordID("sha", urls, map[string]string{"A": "1\"\n\"B\"=\"2"}),
		"without one": recordID("sha", urls, map[string]string{"A": "1"}),
	} {
		if id == base {
			t.Errorf("the id does not depend on: %s", name)
		}
	}
}
