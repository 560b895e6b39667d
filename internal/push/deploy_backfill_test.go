package push

import (
	"strings"
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/push/diagnosis"
	"github.com/tale-project/tale-runtime/internal/push/pushtest"
)

// One index of a large table: the count of indexes stands still, the documents
// do not, so that only the longest limit ends the wait.
func TestDocumentsKeepADeployWaiting(t *testing.T) {
	t.Parallel()
	d := newTestDeploy(t, fault.Fault{Stage: fault.StageStartPush, Indexes: 2, IndexTime: time.Minute}).byRequest(t)
	request := pushtest.NewRequest()
	request.AppDefinition.Schema.Source = `import { defineSchema, defineTable } from "convex/server"; import { v } from "convex/values";
export default defineSchema({ notes: defineTable({ n: v.number() }).index("by_n", ["n"]) });`
	d.Request, d.Timeout, d.Longest = request.Write(t), 1500*time.Millisecond, 4*time.Second
	if f := d.failure(t); f.Observation.Condition != diagnosis.ConditionDeployMax {
		t.Errorf("%+v\n%s", f.Observation, d.log.String())
	}
	if !strings.Contains(d.log.String(), "the push adds indexes count=1 indexes=notes.by_n") {
		t.Error(d.log.String())
	}
	// Without the query there is only the count of indexes.
	if _, err := d.sim.Inject(fault.Fault{Stage: fault.StageFunction, Message: "Could not find function"}); err != nil {
		t.Fatal(err)
	}
	if f := d.failure(t); f.Observation.Condition != diagnosis.ConditionStalled {
		t.Errorf("%+v", f.Observation)
	}
}
