package deploy_test

import (
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/taletest/line"
)

// TestCompletionOfWaysBack offers neither a release that failed nor one that was gone back from,
// nor the present one, which the engine says.
func TestCompletionOfWaysBack(t *testing.T) {
	server, dir, tale := shopOf(t)
	environ := server.Environ(t)
	for _, version := range []string{"1.1.1", "1.1.2", "1.1.3"} {
		server.AddImage(enginetest.Image{Tags: []string{"r.example/x/tale-platform:" + version}, HealthCheck: true})
	}
	server.SetLife("r.example/x/tale-platform:1.1.1", enginetest.Life{Dies: 1, Code: 78})
	offered := func(want string) {
		t.Helper()
		if got := line.Run(environ, "", "__complete", "--project", dir, "rollback", "--version", ""); got.Out != want+":36\n" {
			t.Errorf("%+v, want %q", got, want)
		}
	}
	tale("deploy", "--version", "1.1.1").Expect(t, exit.Failure, "", "")
	tale("deploy", "--version", "1.1.2").Expect(t, 0, "", "")
	tale("deploy", "--version", "1.1.3").Expect(t, 0, "", "")
	offered("1.1.2\n1.1.0\n")
	tale("rollback", "--version", "1.1.2").Expect(t, 0, "", "")
	offered("1.1.0\n")
}
