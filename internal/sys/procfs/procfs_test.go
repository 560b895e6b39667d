package procfs_test

import (
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
)

func TestProcesses(t *testing.T) {
	// A name with a parenthesis and a space must not move the fields behind it.
	child := exec.Command("sh", "-c", `printf '%s' ") R 1 (" >/proc/self/comm; echo; read -r _`)
	input, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := output.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if children := procfs.Children(os.Getpid()); !slices.Contains(children, child.Process.Pid) {
		t.Errorf("%d is not among %v", child.Process.Pid, children)
	}
	if got := procfs.Resident(child.Process.Pid); got < 4096 {
		t.Errorf("%d bytes resident", got)
	}
	_ = input.Close()
	_ = child.Wait() // read has met the end
	if got := procfs.Resident(child.Process.Pid); got != 0 {
		t.Errorf("a process that is gone has %d bytes resident", got)
	}
}

func TestStatusFields(t *testing.T) {
	if state, err := procfs.StatusField("/proc/self/status", "State:"); err != nil || state == "" {
		t.Errorf("state %q, %v", state, err)
	}
	if _, err := procfs.StatusField("/proc/self/status", "NoSuchField:"); err == nil {
		t.Error("a missing field has a value")
	}
	status := t.TempDir() + "/status"
	if err := os.WriteFile(status, []byte("Name:\tx\nCapEff:\t00000000000000c1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if mask, err := procfs.StatusMask(status, "CapEff:"); err != nil || mask != 0xc1 {
		t.Errorf("mask %x, %v", mask, err)
	}
}
