// Package line runs command lines of tale in tests.
package line

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/tale"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
)

// Main runs the tests of a package that run command lines also in processes of their own,
// and returns the exit code.
func Main(m *testing.M) int {
	return enginetest.Main(m, map[string]func() int{
		"tale": func() int { return cli.Main(tale.Command(config.FromOS())) },
	})
}

// Result is what a command line has come to.
type Result struct {
	Code     int
	Out, Err string
}

// Run runs a command line without a terminal.
func Run(environ config.Environ, in string, args ...string) Result {
	var out, err bytes.Buffer
	root := tale.Command(environ)
	root.SetIn(strings.NewReader(in))
	root.SetOut(&out)
	root.SetErr(&err)
	root.SetArgs(append([]string{}, args...)) // never nil, for which cobra takes those of the test
	return Result{cli.Main(root), out.String(), err.String()}
}

// Expect checks the exit code, and for parts of what was printed.
func (r Result) Expect(t *testing.T, code int, out, err string) {
	t.Helper()
	if r.Code != code || !strings.Contains(r.Out, out) || !strings.Contains(r.Err, err) {
		t.Errorf("exit %d, stdout %q, stderr %q; want %d, %q, %q", r.Code, r.Out, r.Err, code, out, err)
	}
}
