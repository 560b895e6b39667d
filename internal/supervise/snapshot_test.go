package supervise_test

import (
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestSnapshot(t *testing.T) {
	s := runServices(t, supervise.Service{Process: shell("sleep 1000")})
	testkit.Eventually(t, "it is ready", func() bool { return len(s.Snapshot()) == 1 && s.Snapshot()[0].State == supervise.StateReady })
	snap := s.Snapshot()[0]
	if snap.Name != "shell" || !testkit.Alive(snap.Pid) || snap.RSS < 100<<10 || time.Since(snap.Started) > time.Minute || time.Since(snap.Since) > time.Minute {
		t.Errorf("got %+v", snap)
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	if snap := s.Snapshot()[0]; snap.Pid != 0 || snap.RSS != 0 || snap.State != supervise.StateStopped || snap.LastExit != "killed by SIGKILL" {
		t.Errorf("got %+v", snap)
	}
}
