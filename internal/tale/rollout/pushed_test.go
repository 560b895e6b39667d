package rollout_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/tale/enginetest"
	"github.com/tale-project/tale-runtime/internal/tale/rollout"
)

// TestFunctionsOfAReleaseThatFails are named as live, also where the backend had them already, as
// after another try.
func TestFunctionsOfAReleaseThatFails(t *testing.T) {
	t.Parallel()
	for deploy, says := range map[string]string{
		`"stages": [{"name": "deploy", "state": "done"}], "deploy": {"driver": "native", "attempts": 1}`:          "the functions of version 1.0.1 are live; to bring",
		`"stages": [{"name": "deploy", "state": "done"}], "deploy": {"driver": "native", "skipped": "unchanged"}`: "the functions of version 1.0.1 are live: an earlier try has pushed them, or they are those of 1.0.0; to bring",
		`"stages": [{"name": "deploy", "state": "failed"}], "deploy": {"driver": "native", "attempts": 1}`:        "",
	} {
		h := newHost(t)
		h.timeout = 2 * time.Second
		h.mustDeploy("1.0.0")
		h.SetLife("r/tale-platform:1.0.1", enginetest.Life{Healthy: -1, Says: "not yet"})
		h.SetExec(func(container string, command []string, in string) (string, string, int) {
			if command[0] != "platform-entrypoint" {
				return h.exec(container, command, in)
			}
			return `{"state": "running", ` + deploy + `}`, "", 0
		})
		err := h.deploy(t.Context(), "1.0.1", rollout.Scope{})
		var failed *rollout.FailedError
		if !errors.As(err, &failed) || exit.Code(err) != exit.Failure {
			t.Fatalf("%s: %v", deploy, err)
		}
		if live := strings.Contains(failed.Text(), "are live"); live != (says != "") || !strings.Contains(failed.Text(), says) {
			t.Errorf("%s: %s", deploy, failed.Text())
		}
	}
}
