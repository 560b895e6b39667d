package terminators

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// run starts a program until the end of the test and returns when it listens.
func run(t *testing.T, address string, environ []string, argv ...string) {
	t.Helper()
	command := exec.Command(argv[0], argv[1:]...)
	var output testkit.Buffer
	command.Env, command.Stdout, command.Stderr = append(environ, "PATH="+os.Getenv("PATH"), "HOME="+t.TempDir()), &output, &output
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-ended
		if t.Failed() {
			t.Logf("output of %s:\n%s", argv[0], output.String())
		}
	})
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			_ = connection.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v", argv[0], err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen on %s", argv[0], address)
		}
	}
}
