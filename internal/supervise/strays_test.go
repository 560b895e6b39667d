package supervise_test

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestProcessesThatLeftTheirGroupEndWithTheSupervisor(t *testing.T) {
	service := supervise.Service{Process: shell(`setsid sh -c 'trap "" TERM; echo daemon $$; while :; do sleep 0.05; done' & sleep 1000`)}
	s := runServices(t, service)
	var pid int
	testkit.Eventually(t, "the daemon is there", func() bool {
		_, after, found := strings.Cut(s.log.String(), "daemon ")
		line, _, _ := strings.Cut(after, "\n")
		pid, _ = strconv.Atoi(line)
		return found && pid > 0
	})
	s.stop()
	if err := s.wait(t); err != nil || testkit.Alive(pid) {
		t.Errorf("err %v, daemon alive: %v", err, testkit.Alive(pid))
	}
}

func TestProcessesOfOthersAreLeftAlone(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if err := runServices(t, supervise.Service{Process: shell("exit 3"), Critical: true}).wait(t); exit.Code(err) != 3 {
		t.Errorf("got %v", err)
	}
	if !testkit.Alive(cmd.Process.Pid) {
		t.Error("it killed a process that was none of its services")
	}
}
