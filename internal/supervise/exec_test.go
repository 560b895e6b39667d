package supervise_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// bothWays runs a test with the program as an ordinary process and as PID 1.
func bothWays(t *testing.T, test func(t *testing.T, start func(args ...string) *testkit.Process)) {
	for name, start := range map[string]func(*testing.T, string, ...string) *testkit.Process{"process": startProgram, "PID 1": startPID1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, func(args ...string) *testkit.Process { return start(t, "exec", args...) })
		})
	}
}

func TestExecHasTheExitCodeOfTheCommand(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *testkit.Process) {
		tests := map[string]int{"exit 0": 0, "exit 1": 1, "exit 127": 127, "exit 255": 255, "kill -TERM $$": 143, "kill -KILL $$": 137, "kill -SEGV $$": 139}
		for script, want := range tests {
			if got := start("--", "sh", "-c", script).Wait(); got != want {
				t.Errorf("%s: exit code %d, want %d", script, got, want)
			}
		}
		p := start("/no/such/program")
		if code := p.Wait(); code != exit.NotFound || !p.Says("/no/such/program") {
			t.Errorf("not found: exit code %d, %s", code, p.Output.String())
		}
		if code := start("/etc/passwd").Wait(); code != exit.NotExecutable {
			t.Errorf("not executable: exit code %d", code)
		}
	})
}

func TestExecAsksWhatIsLeftToEnd(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *testkit.Process) {
		began := time.Now()
		p := start("sh", "-c", `sh -c 'trap "echo asked; exit" TERM; echo ready; while :; do sleep 0.01; done' & sleep 0.3; exit 6`)
		if code := p.Wait(); code != 6 || !p.Says("asked") {
			t.Errorf("exit code %d, output %q", code, p.Output.String())
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("took %v although nothing was left", took)
		}
	})
}

func TestExecCollectsOrphans(t *testing.T) {
	bothWays(t, func(t *testing.T, start func(args ...string) *testkit.Process) {
		p := start("sh", "-c", `for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.01 &) ; (setsid sleep 0.01 &); done; sleep 0.3; exec sleep 1000`)
		testkit.Eventually(t, "only the command is left", func() bool {
			children := procfs.Children(p.Pid())
			return len(children) == 1 && commandOf(children[0]) == "sleep" && !strings.Contains(commandLine(children[0]), "0.")
		})
	})
}

func TestExecNoGroupCollectsOrphans(t *testing.T) {
	p := startPID1(t, "exec", "--no-group", "sh", "-c", `for i in 1 2 3 4; do (sleep 0.01 &) ; done; sleep 0.3; echo forked; exec sleep 1000`)
	p.Expect("forked")
	began := time.Now()
	testkit.Eventually(t, "only the command is left", func() bool { return len(procfs.Children(p.Pid())) == 1 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they were left for %v, as if they were somebody else's", took)
	}
}

func commandOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(text))
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(text)
}

func TestExecLeavesEnvironmentFolderAndNameAlone(t *testing.T) {
	dir := t.TempDir()
	cmd := command("exec", self(t), "sh", "-c", `echo "[$GODEBUG]"; pwd; cat /proc/$PPID/comm; readlink /proc/$PPID/cwd`)
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "GODEBUG=madvdontneed=1")
	p := testkit.Start(t, cmd)
	if code := p.Wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	name := filepath.Base(self(t))
	want := fmt.Sprintf("[madvdontneed=1]\n%s\n%s\n/\n", dir, name[:min(15, len(name))])
	if got := p.Output.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestExecReadsItsInput(t *testing.T) {
	cmd := command("exec", self(t), "tac")
	cmd.Stdin = strings.NewReader("1\n2\n3\n")
	p := testkit.Start(t, cmd)
	if code := p.Wait(); code != 0 || p.Output.String() != "3\n2\n1\n" {
		t.Errorf("exit code %d, output %q", code, p.Output.String())
	}
}
