package procfs_test

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestActivity: what a child of the process does counts, and a stopped process is told.
func TestActivity(t *testing.T) {
	child := exec.Command("sh", "-c", "sh -c 'while :; do :; done'; :")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	defer func() {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_ = child.Wait()
	}()
	before := procfs.ActivityOf(pid)
	testkit.Eventually(t, "it has used a processor", func() bool {
		return procfs.Processor(pid) >= 100*time.Millisecond && strings.HasPrefix(before.Since(), "its process has used ")
	})
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "it is stopped", func() bool { return strings.HasPrefix(before.Since(), "its process is stopped by a signal") })
}
