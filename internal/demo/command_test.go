package demo

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
)

func TestCommandRefusesWhatItCannotRun(t *testing.T) {
	app, bin := t.TempDir(), t.TempDir()
	put(t, filepath.Join(app, "package.json"), "{}")
	put(t, filepath.Join(app, "server.ts"), "")
	put(t, filepath.Join(app, "convex", "_generated", "api.js"), "")
	elsewhere := t.TempDir()
	put(t, filepath.Join(elsewhere, "package.json"), "{}")
	put(t, filepath.Join(elsewhere, "convex.json"), `{"functions": "src/convex/"}`)
	root, none := t.TempDir(), t.TempDir()
	for _, file := range []string{root + "/package.json", root + "/apps/web/convex/_generated/api.js", none + "/package.json"} {
		put(t, file, "{}")
	}
	mute := t.TempDir()
	put(t, filepath.Join(mute, "package.json"), `{"scripts": {"build": "vite build"}}`)
	put(t, filepath.Join(mute, "convex", "_generated", "api.js"), "")
	linkFakes(t, bin, "proxy")
	whole := t.TempDir()
	linkFakes(t, whole, binaries...)
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown driver":   {[]string{"--driver", "magic"}, `cannot use the driver "magic"`},
		"no app":           {[]string{"--app", filepath.Join(app, "nowhere"), "--bin", bin}, "name its folder with --app"},
		"a workspace":      {[]string{"--app", root, "--bin", whole}, "name the package that has it: " + filepath.Join(root, "apps", "web")},
		"no functions":     {[]string{"--app", none, "--bin", whole}, "there is no folder convex in " + none},
		"other folder":     {[]string{"--app", elsewhere, "--bin", whole}, "neither a script start"},
		"no server":        {[]string{"--app", mute, "--bin", whole}, "neither a script start in package.json nor a server.ts"},
		"missing binaries": {[]string{"--app", app, "--bin", bin}, "build them with: make build"},
		"no backend":       {[]string{"--app", app, "--bin", whole, "--backend", filepath.Join(app, "package.json")}, "package.json is not an executable file"},
		"unknown flag":     {[]string{"--nope"}, "unknown flag: --nope"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			command := Command(config.Environ{})
			command.SetArgs(tt.args)
			command.SetOut(&out)
			command.SetErr(&out)
			if code := cli.Main(command); code != exit.Usage || !strings.Contains(out.String(), tt.want) {
				t.Errorf("exit %d: %s", code, out.String())
			}
		})
	}
}
