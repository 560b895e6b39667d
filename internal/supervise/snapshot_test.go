package supervise_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tale-project/tale-runtime/internal/supervise"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestSnapshot(t *testing.T) {
	s := runServices(t, supervise.Service{Process: shell("sleep 1000")})
	testkit.Eventually(t, "it is ready", func() bool { return len(s.Snapshot()) == 1 && s.Snapshot()[0].State == supervise.StateReady })
	ready := s.Snapshot()[0]
	if !testkit.Alive(ready.Pid) {
		t.Errorf("process %d is not alive", ready.Pid)
	}
	// It is ready at its start, before it has memory of its own.
	testkit.Eventually(t, "it has memory", func() bool { return s.Snapshot()[0].RSS >= 100<<10 })
	for what, at := range map[string]time.Time{"started": ready.Started, "ready": ready.Since} {
		if time.Since(at) > time.Minute {
			t.Errorf("%s since %s", what, at)
		}
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	got := s.Snapshot()[0]
	want := supervise.Snapshot{Name: "shell", State: supervise.StateStopped, Since: got.Since, LastExit: "killed by SIGKILL"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
