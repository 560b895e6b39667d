package testkit_test

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestProcessTellsWhatItSaysAndHowItEnds(t *testing.T) {
	for name, argv := range map[string][]string{
		"ordinary":     {"sh", "-c", "trap 'exit 7' TERM; echo port=80; while :; do sleep 0.01; done"},
		"in namespace": testkit.PID1(t, "sh", "-c", "trap 'exit 7' TERM; echo port=80; while :; do sleep 0.01; done"),
	} {
		t.Run(name, func(t *testing.T) {
			p := testkit.Start(t, exec.Command(argv[0], argv[1:]...))
			if port := p.Expect("port="); port != "80" {
				t.Errorf("port %q", port)
			}
			pid := p.Pid()
			if !testkit.Alive(pid) {
				t.Error("it is not alive")
			}
			if code := p.Stop(20 * time.Second); code != 7 {
				t.Errorf("exit code %d", code)
			}
			if testkit.Alive(pid) {
				t.Error("it is alive after its end")
			}
		})
	}
}

func TestProcessKilledBySignal(t *testing.T) {
	p := testkit.Start(t, exec.Command("sleep", "60"))
	p.Signal(syscall.SIGKILL)
	if code := p.Wait(); code != 128+int(syscall.SIGKILL) {
		t.Errorf("exit code %d", code)
	}
}
