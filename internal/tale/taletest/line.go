// Package taletest has what tests of tale's commands share: command lines that are run, and
// a project whose stack runs on an engine in memory.
package taletest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tale-project/tale-runtime/internal/cli"
)

// Result is what a command line has come to.
type Result struct {
	Code     int
	Out, Err string
}

// Run runs a command line without a terminal.
func Run(root *cobra.Command, in string, args ...string) Result {
	var out, err bytes.Buffer
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
