package convexsim_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// ask calls a function over HTTP and returns the decoded answer.
func ask(t *testing.T, s *convexsim.Server, path, name string, args object, edits ...edit) object {
	t.Helper()
	var answer object
	got := call(t, s, http.MethodPost, path, functionCall(name, args), edits...)
	got.decode(t, &answer)
	return answer
}

func TestWhatFunctionsAnswerOverHTTP(t *testing.T) {
	s := live(t)
	for name, c := range map[string]struct {
		path, function string
		args           object
		edits          []edit
		status         string
		message        string // a regular expression
		data           any
	}{
		"a mutation":           {path: "/api/mutation", function: "entries:sign", args: object{"author": "a", "text": "b"}, status: "success"},
		"a kind that it has":   {path: "/api/function", function: "entries:list", status: "success"},
		"by default a query":   {path: "/api/run/entries/list", status: "success"},
		"an internal function": {path: "/api/query", function: "entries:secret", edits: []edit{noKey}, status: "error", message: `Could not find public function for 'entries:secret'`},
		"for the admin":        {path: "/api/query", function: "entries:secret", status: "success"},
		"another kind":         {path: "/api/query", function: "entries:sign", args: object{}, status: "error", message: `Trying to execute entries\.js:sign as Query, but it is defined as Mutation\.`},
		"unknown":              {path: "/api/mutation", function: "entries:nope", status: "error", message: `Could not find public function for 'entries:nope'\. Did you forget`},
		"missing argument": {
			path: "/api/mutation", function: "entries:sign", args: object{"author": "a"}, status: "error",
			message: "^\\[Request ID: [0-9a-f]{16}\\] Server Error\nArgumentValidationError: Object is missing the required field `text`\\. Consider wrapping the field validator in `v\\.optional\\(\\.\\.\\.\\)` if this is expected\\.\n\nObject: \\{author: \"a\"\\}\nValidator: v\\.object\\(\\{author: v\\.string\\(\\), text: v\\.string\\(\\)\\}\\)\n$",
		},
		"wrong argument": {
			path: "/api/mutation", function: "entries:sign", args: object{"author": "a", "text": 3}, status: "error",
			message: "ArgumentValidationError: Value does not match validator\\.\nPath: \\.text\nValue: 3\\.0\nValidator: v\\.string\\(\\)\n$",
		},
		"extra argument": {
			path: "/api/mutation", function: "entries:sign", args: object{"author": "a", "text": "b", "more": nil}, status: "error",
			message: "Object contains extra field `more` that is not in the validator\\.",
		},
		"a wrong value": {
			path: "/api/mutation", function: "entries:lie", status: "error",
			message: "\nReturnsValidationError: Value does not match validator\\.\nPath: \\.number\nValue: \"seven\"\nValidator: v\\.float64\\(\\)\n$",
		},
		"a wrong argument within": {
			path: "/api/mutation", function: "entries:misuse", status: "error",
			message: "\nUncaught Error: ArgumentValidationError: Value does not match validator\\.\nPath: \\.text\n",
		},
		"an error": {
			path: "/api/mutation", function: "entries:fail", status: "error",
			message: "^\\[Request ID: [0-9a-f]{16}\\] Server Error\nUncaught TypeError: boom\n    at deeper \\(\\.\\./convex/entries\\.ts:\\d+:\\d+\\)\n    at (async )?handler \\(\\.\\./convex/entries\\.ts:\\d+:\\d+\\)\n$",
		},
	} {
		args := c.args
		if args == nil {
			args = object{}
		}
		got := ask(t, s, c.path, c.function, args, c.edits...)
		message, _ := got["errorMessage"].(string)
		if got["status"] != c.status || !regexp.MustCompile(c.message).MatchString(message) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if got := ask(t, s, "/api/query", "entries:list", object{}); size(got, "value") != 1 {
		t.Errorf("a mutation that failed is not rolled back: %v", got)
	}
	lines := ask(t, s, "/api/mutation", "entries:sign", object{"author": "a", "text": "b"})["logLines"]
	if want := "[LOG] 'signed by' 'a' { of: [ 1, null ] }"; dig(lines, 0) != want {
		t.Errorf("the log lines are %v", lines)
	}
}

func TestConvexErrorsCarryTheirData(t *testing.T) {
	s := live(t)
	sign := func(format string) object {
		body := functionCall("entries:signRarely", object{"author": "often"})
		body["format"] = format
		var answer object
		call(t, s, http.MethodPost, "/api/mutation", body, noKey).decode(t, &answer)
		return answer
	}
	for range 3 {
		if got := sign("json"); got["status"] != "success" {
			t.Fatalf("the component does not let it: %v", got)
		}
	}
	got := sign("json")
	if message, _ := got["errorMessage"].(string); dig(got, "errorData", "wait") != "5" || !strings.Contains(message, `Uncaught ConvexError: {"by":"often","wait":{"$integer":"BQAAAAAAAAA="}}`) {
		t.Errorf("got %v", got)
	}
	if got := sign("convex_encoded_json"); dig(got, "errorData", "wait", "$integer") != "BQAAAAAAAAA=" {
		t.Errorf("encoded: %v", got)
	}
	b := newBrowser(t, s)
	if got := next(t, b.say("mutation", "entries:signRarely", object{"author": "often"})); dig(got, "data", "by") != "often" {
		t.Errorf("a browser got %v", got)
	}
}

func TestVariablesReachFunctionsAtOnce(t *testing.T) {
	s := live(t)
	for _, value := range []string{"here", "there"} {
		update(t, s, set("FROM", value))
		if got := ask(t, s, "/api/action", "entries:count", object{}); dig(got, "value", "from") != value || dig(got, "value", "entries") != "0" {
			t.Errorf("got %v, want %s", got, value)
		}
	}
}

func TestScheduledFunctionsRunAtTheirTimeAndAfterARestart(t *testing.T) {
	s := live(t)
	b := newBrowser(t, s)
	seen := b.say("watch", "entries:list", object{})
	b.do("mutation", "entries:later", object{"text": "soon", "delay": 10})
	until(t, seen, length(2))
	jobs := b.say("watch", "entries:jobs", object{})
	done := func(n int) func(any) bool {
		return func(value any) bool { return strings.Count(mustText(t, value), "success") == n }
	}
	until(t, jobs, done(2))
	b.do("mutation", "entries:later", object{"text": "later", "delay": 1500})
	s = simtest.Restart(t, s)
	until(t, seen, length(4))
	until(t, jobs, done(4))
	if got := ask(t, s, "/api/query", "entries:list", object{}); strings.Count(mustText(t, got), "later, by an action") != 1 {
		t.Errorf("after a restart: %v", got)
	}
}

func TestHTTPActionsRun(t *testing.T) {
	s := live(t)
	if got := site(t, s, http.MethodPost, "/sign/Eve", "by HTTP"); got.status != http.StatusNoContent {
		t.Errorf("POST got %+v", got)
	}
	got := site(t, s, http.MethodGet, "/entries?a=b", "", header("X-To", "you"), func(r *http.Request) { r.Host = "site.example" })
	var answer object
	got.decode(t, &answer)
	if got.status != http.StatusCreated || got.header.Get("X-From") != "you" || answer["url"] != "http://site.example/entries?a=b" || dig(answer, "entries", 0, "text") != "by HTTP" {
		t.Errorf("GET got %+v", got)
	}
	if got := site(t, s, http.MethodGet, "/nowhere", ""); got.status != http.StatusNotFound || got.body != "No matching routes found" {
		t.Errorf("an unknown path got %+v", got)
	}
	if got := site(t, s, http.MethodGet, "/broken", ""); got.status != http.StatusInternalServerError || !strings.Contains(got.body, "Server Error: Uncaught Error: no answer") {
		t.Errorf("an action that fails got %+v", got)
	}
}

func TestFilesOfFunctionsAreServed(t *testing.T) {
	s := live(t)
	written := ask(t, s, "/api/action", "files:write", object{"text": "from an action"})
	if dig(written, "value", "again") != "from an action" {
		t.Fatalf("got %v", written)
	}
	upload, _ := ask(t, s, "/api/mutation", "files:uploadUrl", object{})["value"].(string)
	var uploaded struct {
		StorageID string `json:"storageId"`
	}
	call(t, s, http.MethodPost, strings.TrimPrefix(upload, s.URL()), []byte("from a browser"), noKey, header("Content-Type", "text/x-own")).decode(t, &uploaded)
	ask(t, s, "/api/mutation", "files:keep", object{"file": uploaded.StorageID})
	contents := func() string {
		var all []string
		urls, _ := ask(t, s, "/api/query", "files:urls", object{})["value"].([]any)
		for _, url := range urls {
			if url, ok := url.(string); ok {
				got := call(t, s, http.MethodGet, strings.TrimPrefix(url, s.URL()), nil, noKey)
				all = append(all, got.header.Get("Content-Type")+" "+got.body)
			}
		}
		return strings.Join(all, ", ")
	}
	const want = "text/plain from an action, text/x-own from a browser"
	if got := contents(); got != want {
		t.Errorf("got %s", got)
	}
	s = simtest.Restart(t, s)
	if got := contents(); got != want {
		t.Errorf("after a restart: %s", got)
	}
	ask(t, s, "/api/mutation", "files:remove", object{"file": uploaded.StorageID})
	if got := contents(); got != "text/plain from an action" {
		t.Errorf("after one was removed: %s", got)
	}
	if files, err := os.ReadDir(filepath.Join(s.Options().Storage, "files")); err != nil || len(files) != 1 {
		t.Errorf("the folder has %v, %v", files, err)
	}
}

// childOf returns the process that runs a simulator's functions.
func childOf(t *testing.T, s *convexsim.Server) int {
	t.Helper()
	for _, pid := range procfs.Children(os.Getpid()) {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if bytes.Contains(line, []byte(s.Options().Storage)) {
			return pid
		}
	}
	t.Fatal("no process runs functions")
	return 0
}

// ticks returns the processor time of a process, in hundredths of a second.
func ticks(t *testing.T, pid int) int {
	t.Helper()
	fields := strings.Fields(testkit.ReadFile(t, fmt.Sprintf("/proc/%d/stat", pid)))
	used, err := strconv.Atoi(fields[13])
	if err != nil {
		t.Fatal(err)
	}
	return used
}

func TestTheRunnerIsKilledInTheMiddleOfAMutation(t *testing.T) {
	s := live(t)
	b := newBrowser(t, s)
	seen := b.say("watch", "entries:list", object{})
	until(t, seen, length(0))
	child := childOf(t, s)
	before := ticks(t, child)
	hanging := b.say("mutation", "entries:hang", object{})
	testkit.Eventually(t, "the mutation runs", func() bool { return ticks(t, child) > before+30 })
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := next(t, hanging); !strings.Contains(mustText(t, got["error"]), "the function runner ended (signal: killed)") {
		t.Errorf("the caller got %v", got)
	}
	b.do("mutation", "entries:sign", object{"author": "a", "text": "b"})
	until(t, seen, length(1))
}

// What a function does to the built-ins, which all functions share, ends with it.
func TestAFunctionThatPoisonsTheBuiltInsHarmsNoOther(t *testing.T) {
	s := live(t)
	for i, by := range []string{
		"JSON.parse = undefined", "JSON.stringify = () => '{}'", "Array.prototype.map = () => []", "Object.prototype.poison = 1", "Promise.prototype.then = null",
		"delete Map.prototype.get", "globalThis.BigInt = null", "Object.defineProperty(String.prototype, 'split', { get() { throw 1 } })",
		"Array.prototype[Symbol.iterator] = function* () {}", "Object.getOwnPropertyDescriptor = Reflect.ownKeys = () => []", "Error.prepareStackTrace = () => 1; throw new Error('x')",
		"Object.getPrototypeOf([][Symbol.iterator]()).next = () => ({ done: true })",
	} {
		ask(t, s, "/api/mutation", "entries:poison", object{"by": by})
		ask(t, s, "/api/mutation", "entries:sign", object{"author": "a", "text": "b"})
		if got := ask(t, s, "/api/query", "entries:list", object{}); size(got, "value") != i+1 || dig(got, "value", 0, "text") != "b" {
			t.Errorf("after %s: %v", by, got)
		}
	}
	if got := ask(t, s, "/api/mutation", "entries:fail", object{}); !strings.Contains(mustText(t, got), "entries.ts:") {
		t.Errorf("a trace afterwards: %v", got)
	}
}

func TestATornCommitIsDroppedAndDamageIsTold(t *testing.T) {
	s := live(t)
	for _, text := range []string{"one", "two"} {
		ask(t, s, "/api/mutation", "entries:sign", object{"author": "a", "text": text})
	}
	simtest.Stop(t, s)
	file := filepath.Join(s.Options().Storage, "documents.jsonl")
	whole := testkit.ReadFile(t, file)
	if err := os.WriteFile(file, []byte(whole[:len(whole)-10]), 0o600); err != nil {
		t.Fatal(err)
	}
	s = simtest.Restart(t, s)
	if got := ask(t, s, "/api/query", "entries:list", object{}); size(got, "value") != 1 || dig(got, "value", 0, "text") != "one" {
		t.Errorf("after a torn write: %v", got)
	}
	simtest.Stop(t, s)
	if err := os.WriteFile(file, []byte("{torn\n"+whole), 0o600); err != nil {
		t.Fatal(err)
	}
	s = simtest.Restart(t, s)
	if got := ask(t, s, "/api/query", "entries:list", object{}); !strings.Contains(mustText(t, got["errorMessage"]), "line 1 of "+file+" is damaged") {
		t.Errorf("with a damaged file: %v", got)
	}
}

func TestAWatchedPageKeepsItsEnd(t *testing.T) {
	s := live(t)
	for range 3 {
		ask(t, s, "/api/mutation", "entries:sign", object{"author": "a", "text": "old"})
	}
	b := newBrowser(t, s)
	page := b.say("watch", "entries:page", object{"paginationOpts": object{"numItems": 2, "cursor": nil}})
	until(t, page, func(value any) bool { return size(value, "page") == 2 })
	b.do("mutation", "entries:sign", object{"author": "a", "text": "new"})
	if got := until(t, page, func(value any) bool { return size(value, "page") == 3 }); dig(got, "page", 0, "text") != "new" {
		t.Errorf("the page is %v", got)
	}
}

func TestTheCommandLineClientSeesFunctionsAndData(t *testing.T) {
	s := live(t)
	c := newestClient(t, s)
	c.must(t, "run", "entries:sign", `{"author":"Ada","text":"by the client"}`)
	if got := c.must(t, "run", "entries:secret"); !strings.Contains(got, `"for us alone"`) {
		t.Errorf("an internal function printed %q", got)
	}
	c.mustFail(t, "Uncaught TypeError: boom", "run", "entries:fail")
	c.mustFail(t, "count", "run", "entries:nope") // it lists those that there are
	if got := c.must(t, "data"); !strings.Contains(got, "entries\nfiles") {
		t.Errorf("data printed %q", got)
	}
	if got := c.must(t, "data", "entries"); !strings.Contains(got, `"by the client"`) {
		t.Errorf("data entries printed %q", got)
	}
	if got := c.must(t, "data", "--component", "rateLimiter"); !strings.Contains(got, "rateLimits") {
		t.Errorf("data of a component printed %q", got)
	}
	var logs struct {
		Entries   []object
		NewCursor float64
	}
	call(t, s, http.MethodGet, "/api/stream_function_logs?cursor=0", nil).decode(t, &logs)
	text := mustText(t, logs.Entries)
	if !strings.Contains(text, `"identifier":"entries:sign"`) || !strings.Contains(text, `"udfType":"Mutation"`) || !strings.Contains(text, "Uncaught TypeError: boom") || logs.NewCursor == 0 {
		t.Errorf("the logs are %s", text)
	}
	wantFailure(t, "logs without a key", call(t, s, http.MethodGet, "/api/stream_function_logs?cursor=0", nil, noKey), 403, "BadDeployKey")
}

func TestAMutationThatIsSentAgainIsNotRunAgain(t *testing.T) {
	s := live(t)
	sign := object{"type": "Mutation", "requestId": 3, "udfPath": "entries:sign", "args": []object{{"author": "a", "text": "once"}}}
	answer := func() object {
		connection := dial(t, s, sign) // all connections of dial are of one session
		return hear(t, connection)
	}
	first := answer()
	if first["success"] != true || first["ts"] == nil {
		t.Fatalf("got %v", first)
	}
	again := answer()
	s = simtest.Restart(t, s)
	for when, got := range map[string]object{"at once": again, "after a restart": answer()} {
		if got["result"] != first["result"] || got["ts"] != first["ts"] {
			t.Errorf("%s the mutation answered %v, and %v before", when, got, first)
		}
	}
	if got := ask(t, s, "/api/query", "entries:list", object{}); size(got, "value") != 1 {
		t.Errorf("it ran more than once: %v", got)
	}
}

func TestAQueryComesWithItsSource(t *testing.T) {
	s := live(t)
	ask(t, s, "/api/mutation", "entries:sign", object{"author": "a", "text": "b"})
	run := func(body string) object {
		source := "import { query } from \"convex:/_system/repl/wrappers.js\";\nexport default query({ handler: async (ctx, args) => { " + body + " } });"
		var got object
		call(t, s, http.MethodPost, "/api/run_test_function", object{
			"adminKey": s.AdminKey(), "bundle": object{"path": "testQuery.js", "source": source}, "args": object{"n": 2}, "format": "json",
		}, noKey).decode(t, &got)
		return got
	}
	got := run(`console.log("here"); return { author: (await ctx.db.query("entries").first()).author, n: BigInt(args.n) };`)
	if dig(got, "value", "author") != "a" || dig(got, "value", "n") != "2" || dig(got, "logLines", 0) != "[LOG] 'here'" {
		t.Errorf("got %v", got)
	}
	if got := run(`await ctx.db.insert("entries", { author: "c", text: "d" });`); got["status"] != "error" {
		t.Errorf("it writes: %v", got)
	}
}

// A process that a function has started may live on, in a group of its own, with the
// runner's output in its hands: the runner has ended all the same, and the next call gets
// another one.
func TestTheRunnerEndsWithoutWhatItHasStarted(t *testing.T) {
	s := live(t)
	run := func(body string) (got object) {
		source := "import { query } from \"convex:/_system/repl/wrappers.js\";\nexport default query({ handler: async () => { " + body + " } });"
		call(t, s, http.MethodPost, "/api/run_test_function", object{
			"adminKey": s.AdminKey(), "bundle": object{"path": "testQuery.js", "source": source}, "args": object{}, "format": "json",
		}, noKey).decode(t, &got)
		return got
	}
	const leaves = `const { spawn } = await import("node:child_process"); spawn("sleep", ["60"], { detached: true, stdio: ["ignore", "inherit", "inherit"] }); process.exit(3);`
	if got := run(leaves); !strings.Contains(mustText(t, got["errorMessage"]), "the function runner ended (exit status 3)") {
		t.Errorf("the caller got %v", got)
	}
	if got := run("return 1"); got["value"] != float64(1) {
		t.Errorf("the next one got %v", got)
	}
}
