package supervise_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tale-project/tale-runtime/internal/sys/procfs"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestShellUnderExecHasTheTerminal(t *testing.T) {
	for name, prefix := range map[string][]string{"process": nil, "PID 1": testkit.PID1(t)} {
		t.Run(name, func(t *testing.T) {
			argv := slices.Concat(prefix, []string{self(t), "--"}, shellOnTerminal)
			p := startOnTerminal(t, "exec", argv...)
			p.prompts(1)
			p.Type("sleep 1000\n")
			testkit.Eventually(t, "sleep has the terminal", func() bool { return p.foreground() == "sleep" })
			p.Type(ctrlC)
			p.prompts(2)
			p.Type("sleep 1000\n")
			testkit.Eventually(t, "sleep has the terminal again", func() bool { return p.foreground() == "sleep" })
			p.Type(ctrlZ)
			p.says("Stopped")
			p.prompts(3)
			p.Type("fg\n")
			testkit.Eventually(t, "sleep is in the foreground", func() bool { return p.foreground() == "sleep" })
			p.Type(ctrlC)
			p.prompts(4)
			p.Type("exit 9\n")
			if code := p.Wait(); code != 9 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// foreground returns the name of the process that leads the foreground group.
func (p *terminalProgram) foreground() string {
	pgid, err := unix.IoctlGetInt(int(p.Master.Fd()), unix.TIOCGPGRP)
	if err != nil {
		return ""
	}
	return commandOf(pgid)
}

func TestExecIsAJobOfTheShellAroundIt(t *testing.T) {
	p := startOnTerminal(t, "exec", shellOnTerminal...)
	p.prompts(1)
	p.Type(self(t) + " -- sleep 1000\n")
	testkit.Eventually(t, "the command has the terminal", func() bool { return p.foreground() == "sleep" })
	p.Type(ctrlZ)
	p.says("Stopped")
	p.prompts(2)
	p.Type("fg\n")
	testkit.Eventually(t, "the command has the terminal again", func() bool { return p.foreground() == "sleep" })
	p.Type(ctrlZ)
	p.prompts(3)
	p.Type("bg; echo the shell still has it\n")
	testkit.Eventually(t, "the shell still has the terminal", func() bool { return strings.Count(p.Output.String(), "the shell still has it") == 2 })
	p.prompts(4)
	p.Type("fg\n")
	testkit.Eventually(t, "we have it once more", func() bool { return p.foreground() != "bash" })
	p.Type(ctrlC)
	p.prompts(5)
	p.Type("echo code=$?\n")
	p.says("code=130")
	p.Type(self(t) + " --no-group -- sleep 1000; echo code=$?\n")
	testkit.Eventually(t, "another command runs", func() bool { return p.foreground() == filepath.Base(self(t))[:min(15, len(filepath.Base(self(t))))] })
	p.Type(ctrlC)
	p.prompts(7)
	p.Type("exit\n")
	p.Wait()
}

func TestExecReadsFromTheTerminalOnlyInTheForeground(t *testing.T) {
	p := startOnTerminal(t, "exec", shellOnTerminal...)
	p.prompts(1)
	p.Type(self(t) + " -- cat\n")
	testkit.Eventually(t, "cat has the terminal", func() bool { return p.foreground() == "cat" })
	p.Type(ctrlZ)
	p.prompts(2)
	p.Type("bg\n")
	p.prompts(3)
	// Until the shell itself has heard of the stop, fg would not continue the job.
	p.Type("until [ \"$(jobs -s)\" ]; do :; done; echo it stops for want of input\n")
	testkit.Eventually(t, "it stops for want of input", func() bool {
		return strings.Count(p.Output.String(), "it stops for want of input") == 2
	})
	if state := processState(p.jobLeader()); state != "T" {
		t.Errorf("the job is in state %s", state)
	}
	p.prompts(4)
	p.Type("fg\n")
	testkit.Eventually(t, "cat has the terminal again", func() bool { return p.foreground() == "cat" })
	p.Type("a line\n")
	testkit.Eventually(t, "cat has read and written it", func() bool { return strings.Count(p.Output.String(), "a line\n") == 2 })
	p.Type(ctrlC)
	p.prompts(5)
	p.Type("exit\n")
	p.Wait()
}

// jobLeader returns the helper that the shell has started.
func (p *terminalProgram) jobLeader() int {
	children := procfs.Children(p.Cmd.Process.Pid)
	if len(children) != 1 {
		return 0
	}
	return children[0]
}

func TestExecGivesTheTerminalBack(t *testing.T) {
	// A script has no job control that would take it back.
	p := startOnTerminal(t, "exec", "sh", "-c", `"$0" -- sh -c 'echo has it; exit 3'; echo code=$?; read line; echo "read $line"`, self(t))
	p.says("code=3")
	p.Type("a line\n")
	p.says("read a line")
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSuspendKeyDoesNotHangACommandOfPID1(t *testing.T) {
	p := startOnTerminal(t, "exec", testkit.PID1(t, self(t), "--", "sh", "-c", "echo ready; read line; exit 3")...)
	p.says("ready")
	p.Type(ctrlZ)
	p.Type("go on\n")
	if code := p.Wait(); code != 3 {
		t.Errorf("exit code %d", code)
	}
}
