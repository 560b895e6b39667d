package platform

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
	"github.com/tale-project/tale-runtime/internal/push/requestfile"
)

const (
	longestLine = 400 // bytes
	mostLines   = 40
)

// ofChild matches what a child said, in its own words and at any length.
var ofChild = regexp.MustCompile(`^\S+ INFO  (web|convex) \| `)

// ownLines returns the lines of the entrypoint itself; none of them may be long.
func (c *container) ownLines() (own []string) {
	c.t.Helper()
	for line := range strings.Lines(c.Output.String()) {
		if ofChild.MatchString(line) {
			continue
		}
		own = append(own, line)
		if len(line) > longestLine {
			c.t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
	return own
}

// manyIndexes returns a request of an app with as many indexes and components as a real one.
func manyIndexes(t *testing.T) string {
	t.Helper()
	size := pushtest.RealApp()
	size.Modules, size.Bytes = 50, 100_000
	path := filepath.Join(t.TempDir(), "push-request.json")
	if err := pushtest.WriteLargeRequest(path, size); err != nil {
		t.Fatal(err)
	}
	if _, err := requestfile.Prepare(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// manyVariables sets everything that is pushed, and as much again of the operator's.
func manyVariables() (changes []string) {
	var extra []string
	for i := range 100 {
		name := fmt.Sprintf("OPERATORS_OWN_VARIABLE_%d", i)
		extra = append(extra, name)
		changes = append(changes, name+"=value")
	}
	for _, v := range Variables() {
		changes = append(changes, v.Name+"=a")
	}
	return append(changes, "SITE_URL=https://tale.example", "CONVEX_ENV_SYNC_EXTRA="+strings.Join(extra, ","))
}

func TestBootsOfALargeAppSayLittle(t *testing.T) {
	sim := newSim(t)
	request := manyIndexes(t)
	for _, boot := range []struct {
		name    string
		changes []string
	}{
		{"cold", nil}, {"warm", nil}, {"json", []string{"TALE_LOG_FORMAT=json", "CONVEX_FORCE_PUSH=true"}},
	} {
		e := environ(t, sim.URL(), append(append(manyVariables(), "CONVEX_PUSH_REQUEST="+request), boot.changes...)...)
		c := start(t, e)
		c.untilReady()
		c.Signal(syscall.SIGTERM)
		if code := c.Wait(); code != 0 {
			t.Errorf("%s: exit code %d", boot.name, code)
		}
		if own := c.ownLines(); len(own) > mostLines {
			t.Errorf("%s: %d lines", boot.name, len(own))
		}
		if boot.name == "cold" && !c.Says("count=279 ") {
			t.Error("the new indexes are not in the log")
		}
	}
}

// What is wrong may be told on many lines, each of them short.
func TestFailuresHaveShortLines(t *testing.T) {
	words := strings.Repeat("the backend's own words, at great length; ", 100)
	for name, test := range map[string]struct {
		faults  []fault.Fault
		changes func() []string
	}{
		"configuration": {changes: func() []string {
			changes := []string{"SITE_URL=" + words, "PORT=x", "INSTANCE_SECRET=short"}
			var extra []string
			for i := range 300 {
				extra = append(extra, fmt.Sprintf("no-name-%d", i))
			}
			return append(changes, "CONVEX_ENV_SYNC_EXTRA="+strings.Join(extra, ","))
		}},
		"variables": {changes: func() []string {
			changes := manyVariables()
			for i, change := range changes {
				if strings.HasPrefix(change, "OPERATORS") {
					changes[i] = strings.TrimSuffix(change, "value") + "\xff"
				}
			}
			return changes
		}},
		"refused code": {faults: []fault.Fault{{Stage: fault.StageStartPush, Status: 400, Code: "InvalidModules", Message: words + "\n" + words}}},
		"tried again":  {faults: []fault.Fault{{Stage: fault.StageStartPush, Status: 503, Code: "Busy", Message: words, Times: 1}}, changes: func() []string { return []string{"CONVEX_RUN_AFTER_DEPLOY=none:such"} }},
		"no key":       {faults: []fault.Fault{{Stage: fault.StageCheckKey, Status: 401, Code: "BadAdminKey", Message: words}}},
		"other server": {faults: []fault.Fault{{Stage: fault.StageVersion, Status: 404, Message: words}}, changes: func() []string { return []string{"CONVEX_WAIT_TIMEOUT=300ms"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim := newSim(t, test.faults...)
			changes := []string{"CONVEX_PUSH_REQUEST=" + manyIndexes(t)}
			if test.changes != nil {
				changes = append(changes, test.changes()...)
			}
			c := start(t, environ(t, sim.URL(), changes...), "push")
			c.Wait()
			c.ownLines()
		})
	}
}
