package supervise_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// terminalProgram is a helper on a terminal of its own, as in docker run -it.
type terminalProgram struct {
	*testkit.Process
	t      *testing.T
	master *os.File
}

func startOnTerminal(t *testing.T, name string, argv ...string) *terminalProgram {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd := command(name, argv...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := &terminalProgram{Process: testkit.Start(t, cmd), t: t, master: master}
	go p.copy()
	return p
}

// copy ends when the last process has closed the terminal.
func (p *terminalProgram) copy() {
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		_, _ = p.Output.Write([]byte(strings.ReplaceAll(string(buf[:n]), "\r\n", "\n")))
		if err != nil {
			return
		}
	}
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

func (p *terminalProgram) typeKeys(keys string) {
	p.t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// prompt waits for as many prompts as there should be by now.
func (p *terminalProgram) prompts(n int) {
	p.t.Helper()
	testkit.Eventually(p.t, fmt.Sprintf("%d prompts", n), func() bool { return strings.Count(p.Output.String(), "PROMPT>") >= n })
}

// shellOnTerminal is an interactive shell with job control and a known prompt.
var shellOnTerminal = []string{"env", "PS1=PROMPT>", "bash", "--norc", "--noprofile", "--noediting", "-i"}
