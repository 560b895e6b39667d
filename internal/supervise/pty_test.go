package supervise_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// terminalProgram is a helper on a terminal of its own.
type terminalProgram struct {
	*testkit.Terminal
	t *testing.T
}

func startOnTerminal(t *testing.T, name string, argv ...string) *terminalProgram {
	t.Helper()
	return &terminalProgram{testkit.StartOnTerminal(t, command(name, argv...)), t}
}

// says waits for a text, which may come when the program has ended already.
func (p *terminalProgram) says(text string) {
	p.t.Helper()
	testkit.Eventually(p.t, "output "+text, func() bool { return p.Says(text) })
}

const (
	ctrlC = "\x03"
	ctrlZ = "\x1a"
)

// prompt waits for as many prompts as there should be by now.
func (p *terminalProgram) prompts(n int) {
	p.t.Helper()
	testkit.Eventually(p.t, fmt.Sprintf("%d prompts", n), func() bool { return strings.Count(p.Output.String(), "PROMPT>") >= n })
}

// shellOnTerminal is an interactive shell with job control and a known prompt.
var shellOnTerminal = []string{"env", "PS1=PROMPT>", "bash", "--norc", "--noprofile", "--noediting", "-i"}
