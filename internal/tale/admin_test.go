package tale_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// inPlatform makes an engine with a web application in which commands are run, and returns
// the folder of its project and what runs.
func inPlatform(t *testing.T, name, composeProject string, exec func(command []string, stdin string) (string, string, int)) (environ config.Environ, folder string, ran func() string) {
	server := enginetest.New(t)
	server.AddContainer(enginetest.Container{Name: name, Image: "x", Project: composeProject, Service: "platform", Running: true})
	var mu sync.Mutex
	var commands strings.Builder
	server.SetExec(func(_ string, command []string, stdin string) (string, string, int) {
		mu.Lock()
		defer mu.Unlock()
		commands.WriteString(strings.Join(command, " ") + "\n")
		return exec(command, stdin)
	})
	folder = t.TempDir()
	testkit.WriteTree(t, folder, map[string]string{"tale.json": `{"version": 1, "id": "shop-1"}`})
	return server.Environ(t), folder, func() string {
		mu.Lock()
		defer mu.Unlock()
		return commands.String()
	}
}

func TestAdminKey(t *testing.T) {
	script := func(command []string, _ string) (string, string, int) {
		if command[0] != "./generate-admin-key.sh" {
			return "OCI runtime exec failed: exec failed: executable file not found in $PATH: unknown", "", 126
		}
		return "Deployment URL: https://x\nAdmin Key: tale_platform|abc\nOpen the dashboard\n", "", 0
	}
	ours := func([]string, string) (string, string, int) { return "tale_platform|def\n", "", 0 }
	neither := func([]string, string) (string, string, int) { return "", "", 127 }
	for name, tt := range map[string]struct {
		container, project string
		exec               func([]string, string) (string, string, int)
		code               int
		out, err           string
	}{
		"our image":       {"shop-1-platform-green", "shop-1-green", ours, 0, "tale_platform|def\n", ""},
		"other image":     {"shop-1-platform-blue", "shop-1-blue", script, 0, "tale_platform|abc\n", ""},
		"development":     {"shop-1-dev-platform", "shop-1-dev", ours, 0, "tale_platform|def\n", ""},
		"neither":         {"shop-1-platform-blue", "shop-1-blue", neither, exit.Config, "", "neither platform-entrypoint nor"},
		"another project": {"shop-2-platform-blue", "shop-2-blue", ours, exit.Down, "", "no web application of shop-1 runs"},
	} {
		t.Run(name, func(t *testing.T) {
			environ, folder, _ := inPlatform(t, tt.container, tt.project, tt.exec)
			line.Run(environ, "", "admin-key", "--project", folder).Expect(t, tt.code, tt.out, tt.err)
		})
	}
}

// The password reaches the function, and no list of processes and no message has it.
func TestResetOwner(t *testing.T) {
	const password = "correct horse"
	answer := ""
	var given string
	environ, folder, ran := inPlatform(t, "shop-1-platform-green", "shop-1-green", func(command []string, stdin string) (string, string, int) {
		switch command[0] {
		case "platform-entrypoint":
			return "the|key\n", "", 0
		case "bun":
			given = stdin
			return answer, "", 0
		}
		return "", "", 127
	})
	reset := func(in string, args ...string) line.Result {
		return line.Run(environ, in, append([]string{"auth", "reset-owner", "--project", folder}, args...)...)
	}
	answer = `{"status": "success", "value": {"email": "ann@example.com"}}`
	reset(password+"\n", "--password-stdin", "-e", "ann@example.com").Expect(t, 0, "email: ann@example.com", "")
	for _, part := range []string{`"password":"correct horse"`, `"email":"ann@example.com"`, `"key":"the|key"`, `"users/internal_mutations:resetOwner"`} {
		if !strings.Contains(given, part) {
			t.Errorf("stdin lacks %s: %s", part, given)
		}
	}
	answer = `{"status": "error", "errorMessage": "Could not find public function for 'users/internal_mutations:resetOwner'"}`
	reset(password, "--password-stdin").Expect(t, exit.Config, "", "this app has no function")
	answer = `{"status": "error", "errorMessage": "too weak: correct horse"}`
	r := reset(password, "--password-stdin")
	r.Expect(t, exit.Failure, "", "too weak")
	if strings.Contains(r.Err+ran(), password) {
		t.Errorf("the password is seen: %s %s", r.Err, ran())
	}
	reset("").Expect(t, exit.Usage, "", "--password-stdin")
	reset("\n", "--password-stdin").Expect(t, exit.Usage, "", "is expected: password")
}
