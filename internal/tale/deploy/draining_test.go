package deploy_test

import (
	"slices"
	"strings"
	"testing"
)

// TestADeployAfterAStopThatWasInterrupted takes nothing for up that is on its way out: the engine
// says that it runs, and its last health check was well.
func TestADeployAfterAStopThatWasInterrupted(t *testing.T) {
	for ending, says := range map[string]string{
		"platform-blue": "the present one is draining",
		"convex":        "is started again: it was being stopped",
		"":              "nothing to do",
	} {
		server, _, tale := shopOf(t)
		before := len(server.Changes())
		server.SetExec(func(container string, command []string, _ string) (string, string, int) {
			started := slices.ContainsFunc(server.Changes()[before:], func(call string) bool { return strings.HasSuffix(call, "-"+ending+"/start") })
			if ending == "" || !strings.HasSuffix(container, "-"+ending) || !slices.Contains(command, "status") || started {
				return "", "no such program", 127
			}
			return `{"state": "draining"}`, "", 0
		})
		tale("deploy", "--version", "1.1.0").Expect(t, 0, "", says)
	}
}
