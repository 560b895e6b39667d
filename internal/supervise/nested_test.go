package supervise_test

import (
	"encoding/json"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/testkit"
)

// Under docker run --init another init program is PID 1 and we are its child.
func TestSupervisorUnderAnotherInit(t *testing.T) {
	spec, err := json.Marshal(entrypointSpec{Services: []entrypointService{{
		Name: "main", Critical: true, Stop: []string{"INT"}, Wait: forever,
		Script: `(setsid sleep 0.1 &); trap "echo drained; exit 0" INT; echo trapped; while :; do sleep 0.05; done`,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	p := startPID1(t, "exec", "env", testkit.RoleVariable+"=entrypoint", self(t), string(spec))
	p.Expect("main | trapped")
	p.Signal(syscall.SIGTERM)
	if code := p.Wait(); code != 0 || !p.Says("main | drained") {
		t.Errorf("exit code %d", code)
	}
}

func TestCriticalServiceEndsPID1WithItsCode(t *testing.T) {
	for script, want := range map[string]int{"exit 3": 3, "exit 0": 70, "kill -ABRT $$": 134} {
		spec, err := json.Marshal(entrypointSpec{Services: []entrypointService{{Name: "main", Critical: true, Script: script}}})
		if err != nil {
			t.Fatal(err)
		}
		if code := startPID1(t, "entrypoint", string(spec)).Wait(); code != want {
			t.Errorf("%s: exit code %d, want %d", script, code, want)
		}
	}
}
