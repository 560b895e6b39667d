package deploy_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// A deploy that was started to outlive its terminal (nohup), or whose output is read by a program
// that ends, goes on to its end.
func TestADeployOutlives(t *testing.T) {
	gone := func(_ *testkit.Process, reader *os.File) { _ = reader.Close() }
	for name, tt := range map[string]struct {
		leave func(*testkit.Process, *os.File)
		flag  string
	}{
		"its terminal":                 {func(p *testkit.Process, _ *os.File) { p.Signal(syscall.SIGHUP) }, "--json=false"},
		"the reader of what it says":   {gone, "--json=false"},
		"the reader of events in JSON": {gone, "--json"},
	} {
		t.Run(name, func(t *testing.T) {
			server, dir, _ := shopOf(t)
			const image = "r.example/x/tale-platform:1.1.1"
			server.AddImage(enginetest.Image{Tags: []string{image}, HealthCheck: true})
			server.SetLife(image, enginetest.Life{Healthy: -1})
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			command := exec.CommandContext(t.Context(), "sh", "-c", `trap "" HUP; exec "$@"`, "sh", self, "deploy", "--version", "1.1.1", "--project", dir, tt.flag)
			command.Env = append(os.Environ(), testkit.RoleVariable+"=tale", "DOCKER_HOST="+server.Host(), "HOME="+t.TempDir())
			command.Stdout, command.Stderr = writer, writer
			p := testkit.Start(t, command)
			_ = writer.Close()
			p.Until("the new colour is waited for", func() bool {
				return slices.ContainsFunc(server.Changes(), func(call string) bool { return strings.HasSuffix(call, "-platform-green/start") })
			})
			tt.leave(p, reader)
			server.SetLife(image, enginetest.Life{Healthy: 1})
			if code := p.Wait(); code != 0 {
				t.Errorf("it ended with %d", code)
			}
		})
	}
}
