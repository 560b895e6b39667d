package tale_test

import (
	"encoding/json"
	"testing"

	"github.com/tale-project/tale-runtime/internal/doctor"
	"github.com/tale-project/tale-runtime/internal/exit"
)

// What is wrong with the files keeps no other check from being made, nor the stack from
// being looked at from inside.
func TestDoctor(t *testing.T) {
	inside, code := `[{"name": "backend answers", "verdict": "ok", "detail": "yes"}]`, 0
	environ, folder, _ := inPlatform(t, "shop-1-platform-green", "shop-1-green", func(command []string, _ string) (string, string, int) {
		if command[0] == "platform-entrypoint" {
			return inside, "", code
		}
		return "", "", 127
	})
	verdicts := func(r result) map[string]doctor.Verdict {
		t.Helper()
		var findings []doctor.Finding
		if err := json.Unmarshal([]byte(r.out), &findings); err != nil {
			t.Fatalf("%v: %+v", err, r)
		}
		verdicts := map[string]doctor.Verdict{}
		for _, f := range findings {
			verdicts[f.Name] = f.Verdict
		}
		return verdicts
	}
	r := run(t, environ, "", "doctor", "--json", "--project", folder)
	got := verdicts(r)
	for name, want := range map[string]doctor.Verdict{"engine": doctor.OK, ".env": doctor.Fail, "volumes": doctor.Skip, "stack: backend answers": doctor.OK} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if r.code != exit.Failure {
		t.Errorf("exit %d", r.code)
	}
	inside, code = `[{"name": "backend answers", "verdict": "fail", "detail": "no"}]`, 1
	if got = verdicts(run(t, environ, "", "doctor", "--json", "--project", folder)); got["stack: backend answers"] != doctor.Fail {
		t.Errorf("%v", got)
	}
	inside = "no JSON"
	if got = verdicts(run(t, environ, "", "doctor", "--json", "--project", folder)); got["stack"] != doctor.Fail {
		t.Errorf("%v", got)
	}
}
