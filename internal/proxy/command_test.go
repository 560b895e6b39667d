package proxy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/stack"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func commandLine(env config.Environ, args ...string) (code int, out string) {
	root := newCommand(env)
	var buf bytes.Buffer
	root.SetOut(&buf)
	root.SetErr(&buf)
	root.SetArgs(args)
	return cli.Main(root), buf.String()
}

func TestCommands(t *testing.T) {
	env := environ(t, nil)
	start(t, env)
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"healthcheck", 0, "OK"},
		{"ca", 0, "BEGIN CERTIFICATE"},
		{"routes", 0, "everything else"},
		{"config", 0, `"apps"`},
		{"validate", 0, "valid"},
		{"version", 0, "dev"},
		{"status", 0, "available for"},
		{"nonsense", exit.Usage, "the commands are: ca, completion, config, doctor, healthcheck, routes, run, status, validate, version"},
		{"run --nonsense", exit.Usage, "unknown flag"},
		{"--help", 0, "healthcheck"},
		{"ca --help", 0, "root certificate"},
	} {
		if code, out := commandLine(env, strings.Fields(tt.args)...); code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit %d, %s; want %d, %s", tt.args, code, out, tt.code, tt.want)
		}
	}
}

func TestHealthcheckLooksAtTheSiteToo(t *testing.T) {
	env := environ(t, nil)
	start(t, env)
	env["HTTPS_PORT"] = testkit.FreePort(t)
	if code, out := commandLine(env, "healthcheck"); code != exit.Failure || !strings.Contains(out, "handshake") {
		t.Errorf("exit %d, %s", code, out)
	}
	env["TLS_MODE"], env["HTTP_PORT"] = stack.TLSExternal, testkit.FreePort(t)
	if code, out := commandLine(env, "healthcheck"); code != exit.Failure || !strings.Contains(out, "site's port") {
		t.Errorf("exit %d, %s", code, out)
	}
}

func TestCommandsOfAProxyThatDoesNotRun(t *testing.T) {
	env := environ(t, nil)
	if code, out := commandLine(env, "healthcheck"); code != exit.Failure || !strings.Contains(out, "refused") {
		t.Errorf("healthcheck: exit %d, %s", code, out)
	}
	if code, out := commandLine(env, "status"); code != exit.Unavailable || !strings.Contains(out, "is it running") {
		t.Errorf("status: exit %d, %s", code, out)
	}
	if code, out := commandLine(env, "ca"); code == 0 || !strings.Contains(out, "first start") {
		t.Errorf("ca: exit %d, %s", code, out)
	}
	env["TLS_MODE"] = "letsencypt"
	for _, command := range []string{"run", "routes", "config", "validate", "healthcheck"} {
		if code, out := commandLine(env, command); code != exit.Config || !strings.Contains(out, "TLS_MODE") {
			t.Errorf("%s: exit %d, %s", command, code, out)
		}
	}
}
