package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Terminal is a program on a terminal of its own, as in docker run -it.
type Terminal struct {
	*Process
	Master *os.File // what a terminal's window holds

	t testing.TB
}

// StartOnTerminal runs the command as Start does, with a new terminal as its streams.
// Line breaks in its output are plain.
func StartOnTerminal(t testing.TB, command *exec.Cmd) *Terminal {
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
	command.Stdin, command.Stdout, command.Stderr = slave, slave, slave
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p := &Terminal{Process: Start(t, command), Master: master, t: t}
	go p.copy()
	return p
}

// copy ends when the last process has closed the terminal.
func (p *Terminal) copy() {
	buf := make([]byte, 4096)
	for {
		n, err := p.Master.Read(buf)
		_, _ = p.Output.Write([]byte(strings.ReplaceAll(string(buf[:n]), "\r\n", "\n")))
		if err != nil {
			return
		}
	}
}

// Type types keys.
func (p *Terminal) Type(keys string) {
	p.t.Helper()
	if _, err := p.Master.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}
