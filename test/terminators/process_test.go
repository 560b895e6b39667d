package terminators

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// run starts a program until the end of the test and returns when it listens.
func run(t *testing.T, address string, environ []string, argv ...string) {
	t.Helper()
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = append(environ, "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir())
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	program := testkit.Start(t, command)
	// The workers of nginx outlive a master that is killed alone.
	t.Cleanup(func() { _ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) })
	program.Until("it listens on "+address, func() bool {
		connection, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		_ = connection.Close()
		return true
	})
}
