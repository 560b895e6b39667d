package supervise_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// terminalProgram is a helper on a terminal of its own, as in docker run -it.
type terminalProgram struct {
	*program
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
	p := &terminalProgram{master: master}
	p.program = startCommand(t, name, argv, func(cmd *exec.Cmd) {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	})
	go p.copy()
	return p
}

// copy ends with an error when nobody has the terminal open any more.
func (p *terminalProgram) copy() {
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		_, _ = p.out.Write([]byte(strings.ReplaceAll(string(buf[:n]), "\r\n", "\n")))
		if err != nil {
			return
		}
	}
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
	eventually(p.t, fmt.Sprintf("%d prompts", n), func() bool { return strings.Count(p.out.String(), "PROMPT>") >= n })
}

// shellOnTerminal is an interactive shell with job control and a known prompt.
var shellOnTerminal = []string{"env", "PS1=PROMPT>", "bash", "--norc", "--noprofile", "--noediting", "-i"}
