package supervise_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/logging"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestStatusesAreNeverStolen(t *testing.T) {
	for name, start := range map[string]func(*testing.T, string, ...string) *testkit.Process{"process": startProgram, "PID 1": startPID1} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "churn")
			if code := p.Wait(); code != 0 || !p.Says("churned") {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestManyChildrenAtOnceKeepTheirOwnStatus(t *testing.T) {
	var group sync.WaitGroup
	for code := range 50 {
		group.Go(func() {
			status, err := supervise.Run(timeout(t), logging.Discard(), shell(fmt.Sprintf("exit %d", code)))
			if err != nil || status.ExitCode() != code {
				t.Errorf("got %v, %v, want %d", status, err, code)
			}
		})
	}
	group.Wait()
}

// newChildren returns a function that lists the children of this process which
// it did not have before.
func newChildren() func() []int {
	before := procfs.Children(os.Getpid())
	return func() []int {
		return slices.DeleteFunc(procfs.Children(os.Getpid()), func(pid int) bool { return slices.Contains(before, pid) })
	}
}

func TestOrphansAreCollected(t *testing.T) {
	t.Parallel()
	children := newChildren()
	script := `for i in 1 2 3 4 5 6 7 8; do (setsid sleep 0.2 &) ; (sleep 0.1 &) ; done`
	if _, err := supervise.Run(timeout(t), logging.Discard(), shell(script)); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "all orphans have come and gone", func() bool { return len(children()) == 0 })
}

func TestChildOfOtherCodeIsLeftToItsWaiter(t *testing.T) {
	for name, attr := range map[string]*syscall.SysProcAttr{"in our group": nil, "in its own group": {Setpgid: true}} {
		t.Run(name, func(t *testing.T) {
			supervise.Adopt()
			children := newChildren()
			cmd := exec.Command("sh", "-c", "exit 9")
			cmd.SysProcAttr = attr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, "it is dead and not collected", func() bool { return len(children()) == 1 && !testkit.Alive(children()[0]) })
			// It stands first in the kernel's list: those behind it are collected all the same.
			if _, err := supervise.Run(timeout(t), logging.Discard(), shell("true & (true &); exit 0")); err != nil {
				t.Fatal(err)
			}
			testkit.Eventually(t, "orphans behind it are collected", func() bool { return len(children()) == 1 })
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != 9 {
				t.Errorf("its status was stolen: %d", code)
			}
		})
	}
}

func TestPID1CollectsWhatDockerExecLeaves(t *testing.T) {
	t.Parallel()
	// A process that enters the namespace has no parent in it; its orphans are ours.
	p := startPID1(t, "stoppable")
	p.Expect("waiting")
	options := []string{"-t", fmt.Sprint(p.Pid()), "-p", "-m"}
	if os.Geteuid() != 0 {
		options = append(options, "-U", "--preserve-credentials")
	}
	enter := exec.Command("nsenter", append(options, "setsid", "sh", "-c", "(sleep 0.05 &) ; (setsid sleep 0.05 &)")...)
	if out, err := enter.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testkit.Eventually(t, "its orphans are collected", func() bool { return len(procfs.Children(p.Pid())) == 0 })
}
