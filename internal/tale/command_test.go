package tale_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale"
	"github.com/tale-project/tale-runtime/internal/tale/engine"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/project"
	"github.com/tale-project/tale-runtime/internal/tale/taletest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"-V"}, {"version"}} {
		if r := line.Run(nil, "", args...); r.Code != 0 || !regexp.MustCompile(`^[^\s]+\n$`).MatchString(r.Out) || r.Err != "" {
			t.Errorf("%v: %+v", args, r)
		}
	}
	// The version of a release is not asked for with the flag of the program's.
	for _, args := range [][]string{{"rollback", "--version", "1.2"}, {"rollback", "--version=1.2"}, {"rollback", "-v", "1.2"}, {"deploy", "--version", "1.2"}} {
		line.Run(nil, "", append(args, "--project", t.TempDir())...).Expect(t, exit.Config, "", "tale init")
	}
	line.Run(nil, "", "version", "--json").Expect(t, 0, `"arch": "`, "")
}

// Every command says what it does, how it is called, and that its arguments are wrong.
func TestEveryCommandHasHelp(t *testing.T) {
	var walk func(command *cobra.Command)
	walk = func(command *cobra.Command) {
		path := strings.Fields(command.CommandPath())[1:]
		help := line.Run(nil, "", append(path, "--help")...)
		switch {
		case help.Code != 0 || help.Err != "" || !strings.Contains(help.Out, "Usage:") || !strings.Contains(help.Out, "--project"):
			t.Errorf("%v: %+v", path, help)
		case !command.HasSubCommands() && !strings.Contains(help.Out, "Examples:"):
			t.Errorf("%v has no example", path)
		case !command.HasSubCommands() && !strings.Contains(help.Out, "Exit codes:"):
			t.Errorf("%v does not say how it ends", path)
		}
		for line := range strings.Lines(help.Out) {
			if strings.HasPrefix(line, "  -") || strings.HasPrefix(line, "      --") {
				continue // pflag puts a flag and its text on one line
			}
			if len([]rune(line)) > 101 {
				t.Errorf("%v: a line of %d characters: %s", path, len([]rune(line)), line)
			}
		}
		line.Run(nil, "", append(slices.Clone(path), "--nope")...).Expect(t, exit.Usage, "", "--help")
		for _, sub := range command.Commands() {
			if !sub.Hidden && sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(tale.Command(nil))
	for _, args := range [][]string{{"restore", "--discard-old", "--dry-run", "--yes"}, {"deploy", "--host", "a b"}, {"deploy", "--version", "a b"}, {"deploy", "--version", "1/2"}, {"start", "--host", "a b"}, {"deploy", "--keep", "-1"}, {"cleanup", "--keep=-1"}, {"nope"}, {"config", "nope"}, {"env", "nope"}, {"history", "x"}, {"version", "x"}, {"init", "a", "b"}, {"completion"}, {"completion", "tcsh"}} {
		line.Run(nil, "", args...).Expect(t, exit.Usage, "", "tale: ")
	}
}

func TestCommandsThatNeedAProject(t *testing.T) {
	empty := t.TempDir()
	for _, args := range [][]string{{"config", "show"}, {"history"}, {"env", "check"}} {
		line.Run(nil, "", append(args, "--project", empty)...).Expect(t, exit.Config, "", "make a project with: tale init")
	}
}

// TestLogsOfAColour: status and the network know it by that name, and logs by a flag.
func TestLogsOfAColour(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "")
	line.Run(nil, "", "logs", "platform-green", "--project", dir).Expect(t, exit.Usage, "", "tale logs platform --color green")
	line.Run(nil, "", "logs", "platform-red", "--project", dir).Expect(t, exit.Usage, "", "those of the project are")
}

func TestFromInitToCheck(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shop")
	line.Run(nil, "", "init", dir, "--host", "shop.example.com", "--tls", "letsencrypt", "--tls-email", "a@b.example").Expect(t, 0, "", "tale deploy")
	secret := regexp.MustCompile(`(?m)^INSTANCE_SECRET=(.*)$`).FindStringSubmatch(testkit.ReadFile(t, filepath.Join(dir, ".env")))[1]
	appendTo(t, filepath.Join(dir, ".env"), "OWN_THING=hunter2\nSENTRY_DSN=https://hunter2@sentry.example/1\nCRAWLER_DATABASE_URL=postgresql://u:hunter2@db\nDOLLAR=$hunter2\nPUBLISH_HTTPS=8443\nEXPORTED\n")
	if err := os.WriteFile(filepath.Join(dir, "compose.override.yml"), []byte("services: {platform: {environment: {DEBUG_MODE: '1'}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := line.Run(config.Environ{"EXPORTED": "hunter2", "TALE_LOG_LEVEL": "debug", "HOST": "shell.example"}, "", "env", "check", "--project", dir)
	r.Expect(t, 0, "", ": DOLLAR refers")
	for _, row := range []string{
		`  HOST +file +"shop.example.com"`, `  PUBLISH_HTTPS +file +"8443"`, `  TALE_LOG_LEVEL +shell +"debug"`, `  TLS_EMAIL +file +"a@b.example"`, `  DEBUG_MODE +override +"1"`,
		`  INSTANCE_SECRET +file +\(not shown, 64 characters\)`, `  OWN_THING +file +\(not shown, 7 characters\)`, `  CONVEX_URL +default +"http://convex:3210"`,
		`  CRAWLER_DATABASE_URL +file +"postgresql://u:xxxxx@db`, `  POSTGRES_PASSWORD +file +\(not shown`, `  SENTRY_DSN +file +\(not`, `  EXPORTED +shell, named in .env +\(not shown, 7`,
	} {
		if !regexp.MustCompile("(?m)^" + row).MatchString(r.Out) {
			t.Errorf("no row %s in\n%s", row, r.Out)
		}
	}
	for _, services := range []string{"db\n", "convex\n", "platform\n", "proxy\n", "rag\n", "crawler\n"} {
		if !strings.Contains("\n"+r.Out, "\n"+services) {
			t.Errorf("no %s", services)
		}
	}
	check := line.Run(nil, "", "env", "check", "proxy", "--json", "--project", dir)
	var document struct {
		Services map[string]map[string]struct{ Value, Source string }
	}
	if err := json.Unmarshal([]byte(check.Out), &document); err != nil || len(document.Services) != 1 || document.Services["proxy"]["TLS_MODE"].Source != "file" {
		t.Errorf("%v: %+v", err, document)
	}
	if all := r.Out + r.Err + check.Out; strings.Contains(all, "hunter2") || strings.Contains(all, secret) {
		t.Errorf("a secret is shown: %s", all)
	}
	line.Run(nil, "", "env", "check", "web", "--project", dir).Expect(t, exit.Usage, "", `no service "web"; those of the project are `)
	line.Run(nil, "", "config", "show", "--project", dir).Expect(t, 0, "folder    "+dir+"\n", "")
	line.Run(nil, "", "config", "show", "--json", "--project", dir).Expect(t, 0, `"id": "shop-`, "")
	appendTo(t, filepath.Join(dir, ".env"), "TLS_MODE=nope\nA B\n")
	line.Run(nil, "", "env", "check", "--project", dir).Expect(t, exit.Config, "", "is not NAME=value")
}

func TestLegacyProjectGetsAnID(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "")
	legacy := func() {
		if err := os.WriteFile(filepath.Join(dir, project.FileName), []byte(`{"version":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nowhere := config.Environ{"DOCKER_HOST": "unix://" + filepath.Join(dir, "no.sock")}
	legacy()
	line.Run(nowhere, "", "deploy", "--dry-run", "--project", dir).Expect(t, exit.Config, "", "has no id yet")
	line.Run(nowhere, "", "status", "--project", dir).Expect(t, exit.Config, "", "has no id yet")
	if text := testkit.ReadFile(t, filepath.Join(dir, project.FileName)); text != `{"version":1}` {
		t.Errorf("a dry run wrote %s", text)
	}
	line.Run(nowhere, "", "deploy", "--project", dir).Expect(t, exit.Unavailable, "", "from now on")
	if p, err := project.Find(dir); err != nil || p.File.ID == "" {
		t.Error(err)
	}
}

func TestInitWithoutATerminal(t *testing.T) {
	dir := t.TempDir()
	r := line.Run(nil, "postgresql://u:hunter2@db.example\n", "init", dir, "--database-url", "-", "--json", "--services", "convex,platform,proxy")
	r.Expect(t, 0, `"made": [`, "")
	var made project.Result
	if err := json.Unmarshal([]byte(r.Out), &made); err != nil || made.ID == "" || !slices.Contains(made.Added, "POSTGRES_URL") {
		t.Errorf("%v: %+v", err, made)
	}
	if env := testkit.ReadFile(t, filepath.Join(dir, ".env")); !strings.Contains(env, "POSTGRES_URL=postgresql://u:hunter2@db.example\n") || strings.Contains(env, "DB_PASSWORD=") {
		t.Error(env)
	}
	line.Run(nil, "", "init", t.TempDir(), "--database-url", "-").Expect(t, exit.Usage, "", "is expected: URL of the Postgres server")
	line.Run(nil, "", "init", t.TempDir(), "--tls", "letsencrypt").Expect(t, exit.Usage, "", "--host")
	line.Run(nil, "", "init", dir, "--project", dir).Expect(t, exit.Usage, "", "twice")
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "nothing was changed")
}

func TestInitInsideAProject(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "")
	t.Chdir(filepath.Join(dir, "agents"))
	line.Run(nil, "", "init").Expect(t, exit.Usage, "", "tale init "+dir)
	line.Run(nil, "", "init", ".", "--no-env").Expect(t, 0, "", "made")
}

func TestHistory(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir).Expect(t, 0, "", "")
	line.Run(nil, "", "history", "--project", dir).Expect(t, 0, "", "nothing has been done")
	line.Run(nil, "", "history", "--project", dir, "--json").Expect(t, 0, "[]\n", "")
	p := taletest.Project(t, dir)
	for i, release := range []string{"1.0", "1.1", "1.2"} {
		entry := project.Entry{Time: time.Now(), User: "ann", Host: "box", Command: "tale deploy", Release: release, From: "0.9", Result: project.Done, Seconds: 61.24}
		if i == 2 {
			entry.Result, entry.Code, entry.Why = project.RolledBack, 1, "it did not start\nin time"
		}
		if err := p.Record(entry); err != nil {
			t.Fatal(err)
		}
	}
	r := line.Run(nil, "", "history", "-n", "2", "--project", dir)
	r.Expect(t, 0, "0.9 → 1.1", "")
	if strings.Contains(r.Out, "1.0") || !regexp.MustCompile(`ann@box +tale deploy +0.9 → 1.2 +rolled back \(exit 1\) +1m1.2s +it did not start\n$`).MatchString(r.Out) {
		t.Error(r.Out)
	}
	line.Run(nil, "", "history", "-n", "1", "--json", "--project", dir).Expect(t, 0, `"exitCode": 1`, "")
	if err := p.Begin(project.Entry{Time: time.Now(), Command: "tale deploy", Seconds: 3.3}); err != nil {
		t.Fatal(err)
	}
	if err := p.Record(project.Entry{Time: time.Now(), Command: "tale deploy", Result: project.Done}); err != nil {
		t.Fatal(err)
	}
	if r := line.Run(nil, "", "history", "-n", "2", "--project", dir); !regexp.MustCompile(`killed +- +it ended before it could note how, as after a second Ctrl-C\n`).MatchString(r.Out) {
		t.Error(r.Out)
	}
	testkit.WriteTree(t, dir, map[string]string{".tale/history.jsonl": `{"time":"2026-01-02T03:04:05Z","command":"tale deploy","result":"done"}` + "\n" + `{"command":"tale deploy","why":{"of":"a newer form"}}` + "\n\n" + `{"comm`})
	line.Run(nil, "", "history", "--project", dir).Expect(t, 0, "tale deploy", "2 of the lines of "+dir)
}

func TestAServiceThatTheProjectDoesWithout(t *testing.T) {
	dir := t.TempDir()
	line.Run(nil, "", "init", dir, "--services", "db,convex,proxy").Expect(t, 0, "", "")
	line.Run(nil, "", "deploy", "--services", "rag", "--project", dir).Expect(t, exit.Usage, "", "without: tale.json lists db, convex, proxy")
}

func TestCompletion(t *testing.T) {
	for shell, text := range map[string]string{"bash": "__start_tale", "zsh": "#compdef tale", "fish": "complete -c tale"} {
		line.Run(nil, "", "completion", shell).Expect(t, 0, text, "")
	}
	dir := t.TempDir()
	line.Run(nil, "", "init", dir, "--services", "db,convex,proxy").Expect(t, 0, "", "")
	line.Run(nil, "", "__complete", "--project", dir, "env", "check", "").Expect(t, 0, "db\nconvex\nproxy\n:4\n", "")
	line.Run(nil, "", "__complete", "completion", "").Expect(t, 0, "bash\nzsh\nfish\n", "")
}

func (p *answering) answer(question, keys string) {
	p.t.Helper()
	p.Until("question "+question, func() bool {
		_, after, found := strings.Cut(p.Output.String()[p.seen:], question)
		return found && strings.HasSuffix(after, ": ")
	})
	p.seen = len(p.Output.String())
	p.Type(keys)
}

// answering is a command that asks.
type answering struct {
	*testkit.Terminal
	t    *testing.T
	seen int
}

func TestInitAsks(t *testing.T) {
	dir := t.TempDir()
	p := &answering{line.OnTerminal(t, dir, "init"), t, 0}
	p.answer("Host name of the site [localhost]", "https://a b\n")
	p.answer("not a host name", "shop.example.com\n")
	p.answer("Where the certificate comes from: selfsigned, external, letsencrypt [letsencrypt]", "\n")
	p.answer("E-mail address", "me\n")
	p.answer("not an e-mail address", "me@shop.example.com\n")
	if code := p.Wait(); code != 0 {
		t.Fatalf("exit %d", code)
	}
	env := testkit.ReadFile(t, filepath.Join(dir, ".env"))
	for _, line := range []string{"HOST=shop.example.com\n", "SITE_URL=https://shop.example.com\n", "TLS_MODE=letsencrypt\n", "TLS_EMAIL=me@shop.example.com\n"} {
		if !strings.Contains(env, line) {
			t.Errorf("no %s in\n%s", line, env)
		}
	}
	again := line.OnTerminal(t, dir, "init")
	if code := again.Wait(); code != 0 {
		t.Errorf("exit %d", code)
	}
	// The terminal may hold the last words longer than the process lives.
	testkit.Eventually(t, "it says that nothing was changed", func() bool { return again.Says("nothing was changed") })
	for _, args := range [][]string{{"init", "--yes"}, {"init", "--host", "a.example", "--tls", "external"}} {
		if p := line.OnTerminal(t, t.TempDir(), args...); p.Wait() != 0 || p.Says("Host name") {
			t.Errorf("%v asks", args)
		}
	}
}

func echoes(t *testing.T, p *testkit.Terminal) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(p.Master.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func TestSecretsAreNotShown(t *testing.T) {
	dir := t.TempDir()
	p := &answering{line.OnTerminal(t, dir, "init", "--yes", "--database-url", "-"), t, 0}
	p.Until("no echo", func() bool { return !echoes(t, p.Terminal) })
	p.answer("URL of the Postgres server (not shown)", "postgresql://u:hunter2@db.example\n")
	if code := p.Wait(); code != 0 || p.Says("hunter2") {
		t.Errorf("exit %d", code)
	}
	if env := testkit.ReadFile(t, filepath.Join(dir, ".env")); !strings.Contains(env, "hunter2") {
		t.Error(env)
	}
}

// A terminal that went on showing nothing would be of no use.
func TestCtrlCLeavesTheTerminalAsItWas(t *testing.T) {
	dir := t.TempDir()
	p := &answering{line.OnTerminal(t, dir, "init", "--yes", "--database-url", "-"), t, 0}
	p.Until("no echo", func() bool { return !echoes(t, p.Terminal) })
	p.answer("(not shown)", "\x03")
	if code := p.Wait(); code != exit.Interrupted {
		t.Errorf("exit %d", code)
	}
	if !echoes(t, p.Terminal) {
		t.Error("no echo")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%v was written", entries)
	}
}

// TestAllAgreeOnANamedImage: status, a dry run and a deploy say the same of an image that
// tale.json or the override names, and once more after it is there.
func TestAllAgreeOnANamedImage(t *testing.T) {
	server, dir := enginetest.New(t), t.TempDir()
	server.DockerInPath(t)
	environ := server.Environ(t)
	tale := func(args ...string) line.Result {
		return line.Run(environ, "", append(args, "--project", dir, "--yes")...)
	}
	tale("init", "--services", "db", "--registry", "r.example/x").Expect(t, 0, "", "")
	made := server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-db:1.0.0"}, HealthCheck: true, Labels: map[string]string{
		"org.opencontainers.image.source": "https://example.com/tale-runtime", engine.LabelImageVersion: "1.0.0",
	}})
	server.AddImage(enginetest.Image{Tags: []string{"acme/db:7"}, HealthCheck: true})
	server.AddImage(enginetest.Image{Tags: []string{"acme/db:8"}, HealthCheck: true})
	server.AddImage(enginetest.Image{ID: made.ID, Tags: []string{"acme/db:again", "acme/db:more", "r.example/x/tale-db:1.0.0"}, HealthCheck: true, Labels: made.Labels})
	names := func(file, text string) { testkit.WriteTree(t, dir, map[string]string{file: text}) }
	names(".env", testkit.ReadFile(t, filepath.Join(dir, ".env"))+"TALE_VERSION=1.0.0\n")
	tale("deploy").Expect(t, 0, "", "")
	first := testkit.ReadFile(t, filepath.Join(dir, "tale.json"))
	for _, image := range []string{"acme/db:7", "acme/db:8"} {
		names("tale.json", strings.Replace(first, "{", `{"images": {"db": "`+image+`"},`, 1))
		_, tag, _ := strings.Cut(image, ":")
		tale("deploy", "--dry-run").Expect(t, exit.Pending, "→ "+tag, "")
		tale("status").Expect(t, 0, "→ "+tag, "")
		tale("deploy").Expect(t, 0, "", "")
		if text := tale("status").Out; strings.Contains(text, "drift") || !strings.Contains(text, tag) {
			t.Errorf("%s", text)
		}
		tale("deploy", "--dry-run").Expect(t, 0, "nothing to do", "")
	}
	names("tale.json", first)
	names("compose.override.yml", "services: {db: {image: 'acme/db:again'}}")
	tale("deploy").Expect(t, 0, "", "")
	names("compose.override.yml", "services: {db: {image: 'acme/db:more'}}") // the same by another name
	tale("deploy", "--dry-run").Expect(t, 0, "nothing to do", "")
	if text := tale("status").Out; strings.Contains(text, "drift") {
		t.Errorf("%s", text)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(testkit.ReadFile(t, path)+text), 0o600); err != nil {
		t.Fatal(err)
	}
}
