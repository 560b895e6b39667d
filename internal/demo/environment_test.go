package demo

import (
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/platform"
)

func testEnvironment() environment {
	o := options{App: "/srv/the app", Bin: "/srv/it's bin", Driver: "cli"}
	id := &identity{Secrets: newSecrets()}
	id.Ports = ports{HTTP: 1, HTTPS: 2, ProxyHealth: 3, Web: 4, PlatformStatus: 5, Backend: 6, HTTPActions: 7, ConvexStatus: 8, Dashboard: 9}
	return newEnvironment(o, backend{argv: []string{"/srv/it's bin/convex-sim", "--runner", "/srv/a folder"}}, &folder{path: "/data"}, id, config.Environ{"PATH": "/usr/bin", "HOME": "/home/u", "INSTANCE_SECRET": "of somebody else"})
}

func TestThePlatformAcceptsItsEnvironment(t *testing.T) {
	settings, err := platform.Load(testEnvironment().platform())
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range platform.Variables() {
		if variable.Value(settings.Pushed) == "" {
			t.Errorf("%s has no value, so it is not pushed", variable.Name)
		}
	}
}

func TestEnvironmentsAreTheirOwn(t *testing.T) {
	e := testEnvironment()
	for name, environ := range map[string]config.Environ{"convex": e.convex(), "platform": e.platform(), "proxy": e.proxy()} {
		if environ["TALE_RUN_DIR"] != "/data/run/"+name {
			t.Errorf("%s runs in %s", name, environ["TALE_RUN_DIR"])
		}
		if !strings.HasPrefix(environ["PATH"], "/srv/the app/node_modules/.bin:") {
			t.Errorf("%s does not find the app's commands: %s", name, environ["PATH"])
		}
		if environ["INSTANCE_SECRET"] == "of somebody else" {
			t.Errorf("%s inherits the demo's own environment", name)
		}
	}
	if again := e.pushAgain(); again["TALE_RUN_DIR"] == e.platform()["TALE_RUN_DIR"] || again["STATUS_ADDR"] != "" {
		t.Errorf("a second push is in the way of the platform: %s, %s", again["TALE_RUN_DIR"], again["STATUS_ADDR"])
	}
}

func TestTheBackendCommandKeepsItsWords(t *testing.T) {
	e := testEnvironment()
	argv, err := config.ParseCommand(e.convex()["CONVEX_BACKEND_COMMAND"])
	if err != nil || !slices.Equal(argv, e.backend.argv) {
		t.Errorf("%q, %v; want %q", argv, err, e.backend.argv)
	}
}
