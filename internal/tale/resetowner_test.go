package tale_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// ownerModule is an app's users/internal_mutations.js, as a bundler leaves what the convex
// package makes of an internal mutation; % is what the function does.
const ownerModule = `const validator = '{"type":"object","value":{"email":{"fieldType":{"type":"string"},"optional":true},"password":{"fieldType":{"type":"string"},"optional":false}}}';
const internalMutation = (handler, kind, args) => Object.assign(() => {}, {[kind]: true, isInternal: true, _handler: handler, exportArgs: () => args, exportReturns: () => '{"type":"any"}'});
const owner = (ctx) => ctx.db.query("owners").first();
export const seen = internalMutation(owner, "isQuery", '{"type":"any"}');
export const resetOwner = internalMutation(async (ctx, {email, password}) => {
  const id = (await owner(ctx))?._id ?? await ctx.db.insert("owners", {email: "old@example.com"});
  await ctx.db.patch(id, email === undefined ? {password} : {email, password});
  %
}, "isMutation", validator);
`

// pushOwner makes a module the only one of the app that a simulator has.
func pushOwner(t *testing.T, s *convexsim.Server, path, source string) {
	t.Helper()
	module := map[string]any{"path": path, "source": source, "environment": "isolate"}
	post := func(path string, body map[string]any) (answer map[string]any) {
		t.Helper()
		body["adminKey"], body["dryRun"] = s.AdminKey(), false
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+path, bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s answers %d %v, %v", path, response.StatusCode, answer, err)
		}
		return answer
	}
	started := post("/api/deploy2/start_push", map[string]any{
		"functions": "convex/", "nodeDependencies": []any{}, "componentDefinitions": []any{},
		"appDefinition": map[string]any{
			"definition":   map[string]any{"path": "convex.config.js", "source": "var a = defineApp(); export { a as default };", "environment": "isolate"},
			"dependencies": []any{}, "schema": nil, "unchangedModuleHashes": []any{}, "udfServerVersion": "1.32.0", "changedModules": []any{module},
		},
	})
	post("/api/deploy2/finish_push", map[string]any{"startPush": started, "message": nil})
}

// The function is a real one: a simulated backend runs it, and Node.js calls it as in the
// container of the web application.
func TestResetOwnerOfARealFunction(t *testing.T) {
	const password = `correct "horse" \ <ünd> $HOME"`
	path, _, _ := strings.Cut(testkit.NodePath(t), string(os.PathListSeparator))
	backend := simtest.Start(t, convexsim.Options{Runner: testkit.FunctionRunner(t)})
	key := backend.AdminKey()
	environ, folder, _ := inPlatform(t, "shop-1-platform-green", "shop-1-green", func(command []string, stdin string) (string, string, int) {
		if command[0] == "platform-entrypoint" {
			return key + "\n", "", 0
		}
		var out, said bytes.Buffer
		call := exec.CommandContext(t.Context(), filepath.Join(path, command[0]), command[1:]...)
		call.Env = []string{"CONVEX_URL=" + backend.URL()}
		call.Stdin, call.Stdout, call.Stderr = strings.NewReader(stdin), &out, &said
		_ = call.Run() // the state says how it ended
		return out.String(), said.String(), call.ProcessState.ExitCode()
	})
	reset := func(args ...string) line.Result {
		return line.Run(environ, password+"\n", append([]string{"auth", "reset-owner", "--project", folder, "--password-stdin"}, args...)...)
	}
	module := func(end string) string { return strings.Replace(ownerModule, "%", end, 1) }
	const file = "users/internal_mutations.js"

	pushOwner(t, backend, file, module(`return {email: email ?? "old@example.com", sessions: 3};`))
	reset().Expect(t, 0, "  email: old@example.com\n  sessions: 3\n", "")
	reset("--json", "--email", "ann@example.com").Expect(t, 0, `"email": "ann@example.com"`, "")
	result, err := simtest.Client(t, backend).Query(t.Context(), "users/internal_mutations:seen")
	var owner struct{ Email, Password string }
	if err := json.Unmarshal(result.Value, &owner); err != nil {
		t.Fatal(err)
	}
	if err != nil || owner.Password != password || owner.Email != "ann@example.com" {
		t.Errorf("the function was given %+v, %v", owner, err)
	}

	for name, tt := range map[string]struct {
		file, source string
		code         int
		out, err     string
	}{
		"nothing":          {file, module(""), 0, "the owner has a new password", ""},
		"a text":           {file, module(`return "as you like";`), 0, `answers: "as you like"`, ""},
		"a list":           {file, module(`return [1, 2];`), 0, "[1,2]", ""},
		"no":               {file, module(`return false;`), 0, "answers: false", ""},
		"an error":         {file, module(`throw new Error("no owner is there");`), exit.Failure, "", "cannot reset the owner, nothing was changed: [Request ID"},
		"one that repeats": {file, module("throw new Error(`too weak: ${password} ${JSON.stringify({password})}`);"), exit.Failure, "", "too weak: "},
		"other arguments":  {file, strings.ReplaceAll(module(""), "password", "newPassword"), exit.Config, "", "does not take a password, and an email where one is given; nothing was changed: [Request ID"},
		"another function": {file, "export const other = 1;", exit.Config, "", "has no function users/internal_mutations:resetOwner"},
		"another file":     {"notes.js", "export const other = 1;", exit.Config, "", "has no function users/internal_mutations:resetOwner"},
	} {
		pushOwner(t, backend, tt.file, tt.source)
		r := reset()
		if r.Code != tt.code || !strings.Contains(r.Out, tt.out) || !strings.Contains(r.Err, tt.err) || strings.Contains(r.Out+r.Err, "horse") {
			t.Errorf("%s: exit %d, stdout %q, stderr %q", name, r.Code, r.Out, r.Err)
		}
	}
	right := key
	key = "tale_platform|00"
	reset().Expect(t, exit.NoPermission, "", "INSTANCE_SECRET")
	key = right
	simtest.Stop(t, backend)
	reset().Expect(t, exit.Unavailable, "", "`tale status`")
}
