package engine

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a command end as a whole, and with us: what a killed tale has left
// running would change containers beside the next one.
func ownGroup(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
