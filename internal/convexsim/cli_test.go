package convexsim_test

import (
	"context"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

const clientDeadline = 2 * time.Minute

// client is the real command line client, at work on the app in testdata.
type client struct {
	version string
	folder  string // of the app
	path    string // with its Node.js
	server  *convexsim.Server
}

// newClient copies an app of testdata beside the client's packages.
func newClient(t *testing.T, name, version, modules string, s *convexsim.Server) *client {
	t.Helper()
	app := t.TempDir()
	if err := os.CopyFS(app, os.DirFS(filepath.Join("testdata", name))); err != nil {
		t.Fatal(err)
	}
	// The bundler takes the paths of components from where they are, which must
	// be inside of the app.
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", modules, app).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return &client{version, app, testkit.NodePath(t), s}
}

// run runs the client and returns what it printed and whether it succeeded.
func (c *client) run(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientDeadline)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(c.folder, "node_modules", ".bin", "convex"), args...)
	command.Dir = c.folder
	command.Env = []string{
		"CI=1", "PATH=" + c.path, "HOME=" + c.folder,
		"CONVEX_SELF_HOSTED_URL=" + c.server.URL(), "CONVEX_SELF_HOSTED_ADMIN_KEY=" + c.server.AdminKey(),
	}
	output, err := command.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("convex %s %q did not end; it printed %s", c.version, args, output)
	}
	return string(output), err == nil
}

func (c *client) must(t *testing.T, args ...string) string {
	t.Helper()
	output, ok := c.run(t, args...)
	if !ok {
		t.Errorf("convex %s %q failed: %s", c.version, args, output)
	}
	return output
}

func (c *client) mustFail(t *testing.T, want string, args ...string) {
	t.Helper()
	if output, ok := c.run(t, args...); ok || !strings.Contains(output, want) {
		t.Errorf("convex %s %q: success %v, wanted %q in %s", c.version, args, ok, want, output)
	}
}

func deployArgs(more ...string) []string {
	return append([]string{"deploy", "--typecheck", "disable", "--codegen", "disable", "-y"}, more...)
}

// All releases deploy, and the newest does the rest of what the simulator can:
// each start of a client takes seconds.
func TestTheRealCommandLineClient(t *testing.T) {
	packages := testkit.ConvexCLIs(t)
	newest := slices.Max(slices.Collect(maps.Keys(packages)))
	for version, modules := range packages {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := simtest.Start(t, convexsim.Options{})
			c := newClient(t, "app", version, modules, s)
			t.Run("deploy", func(t *testing.T) { clientDeploys(t, c) })
			if version == newest {
				t.Run("variables", func(t *testing.T) { clientSetsVariables(t, c) })
				t.Run("rehearsals", func(t *testing.T) { clientRehearses(t, c) })
				t.Run("failures", func(t *testing.T) { clientMeetsFailures(t, c) })
			}
		})
	}
}

func clientDeploys(t *testing.T, c *client) {
	c.mustFail(t, "Environment variable SITE_URL is used in auth config file but", deployArgs()...)
	c.must(t, "env", "set", "SITE_URL", "https://example.test")
	if list := c.must(t, "env", "list"); !strings.Contains(list, "SITE_URL=https://example.test") {
		t.Errorf("env list printed %q", list)
	}
	first := c.must(t, deployArgs()...)
	for _, want := range []string{"notes.by_author", "notes.search_body", "notes.by_embedding", "users.by_email", "Installed component secondLimiter"} {
		if !strings.Contains(first, want) {
			t.Errorf("the first deploy does not tell of %s: %s", want, first)
		}
	}
	state := c.server.State()
	if got := state.Definitions[""].Modules["hash.js"]; got.Environment != "node" || !slices.Equal(got.Exports, []string{"digest"}) {
		t.Errorf("hash.js is %+v", got)
	}
	if got := slices.Sorted(maps.Keys(state.Components)); !slices.Equal(got, []string{"", "migrations", "rateLimiter", "secondLimiter"}) {
		t.Errorf("the components are %q", got)
	}
	before := bytesSent(c.server)
	second := c.must(t, deployArgs()...)
	if strings.Contains(second, "[+]") || bytesSent(c.server)-before >= before {
		t.Errorf("the second deploy sent as much, or changed something: %s", second)
	}
	c.must(t, "run", "migrations:runAll")
}

func clientSetsVariables(t *testing.T, c *client) {
	c.must(t, "env", "set", "TWO", "two words=")
	if want := map[string]string{"SITE_URL": "https://example.test", "TWO": "two words="}; !maps.Equal(c.server.State().Environment, want) {
		t.Errorf("the variables are %q", c.server.State().Environment)
	}
	if value := c.must(t, "env", "get", "TWO"); strings.TrimSpace(value) != "two words=" {
		t.Errorf("env get printed %q", value)
	}
	c.must(t, "env", "remove", "TWO")
	file := filepath.Join(c.folder, "variables")
	if err := os.WriteFile(file, []byte("THREE=3\nFOUR=\"4 4\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.must(t, "env", "set", "--from-file", file)
	if want := map[string]string{"SITE_URL": "https://example.test", "THREE": "3", "FOUR": "4 4"}; !maps.Equal(c.server.State().Environment, want) {
		t.Errorf("the variables are %q", c.server.State().Environment)
	}
	c.mustFail(t, "AuthConfigMissingEnvironmentVariable", "env", "remove", "SITE_URL")
}

// clientRehearses: what changes nothing that is deployed.
func clientRehearses(t *testing.T, c *client) {
	c.must(t, "deploy", "--typecheck", "disable", "-y", "--dry-run") // with code generation
	if got := c.server.State().Pushes; got != 2 {
		t.Errorf("%d pushes were finished", got)
	}
	c.mustFail(t, "Could not find function for 'migrations:nope'", "run", "migrations:nope")
	clientWritesItsRequest(t, c)
}

// bytesSent counts the bodies of all pushes so far.
func bytesSent(s *convexsim.Server) (sum int64) {
	for _, request := range s.Requests() {
		if request.Stage == fault.StageStartPush {
			sum += request.Bytes
		}
	}
	return sum
}

// clientWritesItsRequest has the client write its push to a file, and plays it.
func clientWritesItsRequest(t *testing.T, c *client) {
	c.must(t, deployArgs("--push-all-modules", "--write-push-request", "request")...)
	text, err := os.ReadFile(filepath.Join(c.folder, "request.json"))
	if err != nil {
		t.Fatal(err)
	}
	started := success(t, post(t, c.server, startPushPath, text))
	if size(started, "analysis") != 3 {
		t.Errorf("the definitions are %v", objectAt(started, "analysis"))
	}
	success(t, finishPush(t, c.server, started))
}

func clientMeetsFailures(t *testing.T, c *client) {
	for fault, want := range map[string]string{
		"stage=start_push,status=503,code=CommitterFullError,message=full,times=1":          "CommitterFullError: full",
		"stage=finish_push,status=400,code=InvalidModules,message=Uncaught boom,times=1":    "InvalidModules: Uncaught boom",
		"stage=wait_for_schema,schema-error=Document does not match,table=notes,times=1":    "Document does not match",
		"stage=wait_for_schema,race,times=1":                                                "Schema was overwritten by another push.",
		"stage=get_config_hashes,status=403,code=BadDeployKey,message=not this one,times=1": "not this one",
	} {
		id := inject(t, c.server, fault)
		touchSchema(t, c)
		c.mustFail(t, want, deployArgs()...)
		c.server.Remove(id)
	}
	id := inject(t, c.server, "stage=wait_for_schema,indexes=3,index-time=50ms,times=1")
	touchSchema(t, c)
	c.must(t, deployArgs()...)
	c.server.Remove(id)
	inject(t, c.server, "stage=finish_push,drop=headers,times=1")
	pushes := c.server.State().Pushes
	c.must(t, deployArgs()...)
	if got := c.server.State().Pushes - pushes; got != 2 {
		t.Errorf("the client repeats a finish_push whose answer was lost; it was done %d times", got)
	}
	c.server.Remove("")
	statuses := map[int]int{}
	for _, request := range c.server.Requests() {
		statuses[request.Status]++
	}
	if statuses[http.StatusBadRequest] == 0 || statuses[http.StatusServiceUnavailable] == 0 {
		t.Errorf("statuses %v", statuses)
	}
}

// touchSchema makes the next push one with a new schema.
func touchSchema(t *testing.T, c *client) {
	t.Helper()
	path := filepath.Join(c.folder, "convex", "schema.ts")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `"by_email`, `"by_email_`, 1)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}
