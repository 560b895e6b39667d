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
	mute := t.TempDir()
	put(t, filepath.Join(mute, "package.json"), `{"scripts": {"build": "vite build"}}`)
	linkFakes(t, bin, "proxy")
	whole := t.TempDir()
	linkFakes(t, whole, binaries...)
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown driver":   {[]string{"--driver", "magic"}, `cannot use the driver "magic"`},
		"no app":           {[]string{"--app", filepath.Join(app, "nowhere"), "--bin", bin}, "name its folder with --app"},
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
