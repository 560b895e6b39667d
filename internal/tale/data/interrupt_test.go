package data_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/backup"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestInterruptedBeforeAnythingChanges: whatever the engine is asked for just then, it is
// an interrupt and no failure.
func TestInterruptedBeforeAnythingChanges(t *testing.T) {
	secret := strings.Repeat("ab", 32)
	dir := t.TempDir()
	testkit.WriteTree(t, dir, map[string]string{
		"tale.json": `{"version": 1, "id": "shop-1", "services": ["convex"]}`,
		".env":      "CONVEX_STORAGE=sqlite\nSITE_URL=https://x.example\nINSTANCE_SECRET=" + secret + "\n",
	})
	var file bytes.Buffer
	if _, err := backup.NewWriter(&file, time.Now()).Close(backup.Manifest{Secret: backup.NewFingerprint(secret), Volume: &backup.Volume{}}); err != nil {
		t.Fatal(err)
	}
	testkit.WriteTree(t, dir, map[string]string{"b.tar": file.String()})
	for _, tt := range []struct{ command, method, path string }{
		{"restore", "GET", "/info"},
		{"restore", "GET", "/containers/json"},
		{"restore", "POST", "/containers/create"},
		{"restore", "GET", "/volumes"},
		{"restore", "POST", "/volumes/create"},
		{"backup", "GET", "/info"},
		{"backup", "POST", "/containers/create"},
		{"backup", "GET", "/volumes"},
	} {
		t.Run(tt.command+" "+tt.path, func(t *testing.T) {
			server := enginetest.New(t)
			server.Fault(tt.method, tt.path, enginetest.Fault{Hang: true}, 1)
			if tt.command == "backup" {
				server.AddVolume("shop-1_convex-data", nil)
			}
			command := exec.CommandContext(t.Context(), "/proc/self/exe", tt.command, filepath.Join(dir, "b.tar"), "--project", dir)
			command.Env = []string{testkit.RoleVariable + "=tale", "HOME=" + dir, "DOCKER_HOST=" + server.Host()}
			p := testkit.Start(t, command)
			p.Until("it asks", func() bool { return slices.Contains(server.Calls(), tt.method+" "+tt.path) })
			p.Signal(syscall.SIGINT)
			p.Expect("nothing was changed")
			if code := p.Wait(); code != exit.Interrupted {
				t.Errorf("exit %d", code)
			}
		})
	}
}
