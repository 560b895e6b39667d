package platform

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

// TestPushIndexRunsTheCLIThatTheSettingsName: in an app without any, by a command
// that the app's packages bring, with words of its own.
func TestPushIndexRunsTheCLIThatTheSettingsName(t *testing.T) {
	root := t.TempDir()
	app, commands := filepath.Join(root, "services", "web"), filepath.Join(root, "node_modules", ".bin")
	for _, folder := range []string{app, commands} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\n[ \"$1 $2 $3\" = \"an extra deploy --write-push-request\" ] && cp '" + pushtest.NewRequest().Write(t) + "' \"$4.json\"\n"
	if err := os.WriteFile(filepath.Join(commands, "bundle"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "push-request.json")
	index := func(environ config.Environ) error {
		environ["PATH"] = os.Getenv("PATH")
		command := pushIndexCommand(environ)
		command.SetArgs([]string{"--app", app, file})
		command.SetOut(io.Discard)
		command.SilenceErrors, command.SilenceUsage = true, true
		return command.ExecuteContext(t.Context())
	}
	if err := index(config.Environ{}); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "cannot find the convex CLI") {
		t.Errorf("without: %v", err)
	}
	if err := index(config.Environ{"CONVEX_CLI": `bundle "an extra"`}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file + ".index.json"); err != nil {
		t.Error(err)
	}
	if err := index(config.Environ{"CONVEX_CLI": `bundle "open`}); exit.Code(err) != exit.Config || !strings.Contains(err.Error(), "CONVEX_CLI") {
		t.Errorf("with a malformed one: %v", err)
	}
}
