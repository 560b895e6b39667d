package convexsim_test

import (
	"testing"
	"time"

	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/simtest"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestAPushWaitsForItsIndexes(t *testing.T) {
	for _, stage := range []string{fault.StageStartPush, fault.StageWaitSchema} {
		s := simtest.Start(t, convexsim.Options{})
		inject(t, s, "stage="+stage+",indexes=6,index-time=1h,times=1")
		started := mustStart(t, s, newPush(s))
		if got := waitFor(t, s, started, 0); got.body != `{"components":{"":{"schemaValidationComplete":true,"indexesComplete":0,"indexesTotal":6}},"type":"inProgress"}` {
			t.Errorf("%s: got %s", stage, got.body)
		}
		wantFailure(t, "finish_push too early", finishPush(t, s, started), 500, "InternalServerError")
	}
}

func TestTheLongPollEndsWhenTheIndexesAreBuilt(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	inject(t, s, "stage=wait_for_schema,indexes=2,index-time=30ms,times=1")
	started := mustStart(t, s, newPush(s))
	began := time.Now()
	if got := waitFor(t, s, started, 600_000); got.body != `{"type":"complete"}` || time.Since(began) < 60*time.Millisecond {
		t.Errorf("got %s after %v", got.body, time.Since(began))
	}
	success(t, finishPush(t, s, started))
}

func TestTheLongPollEndsWhenAnotherPushComes(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	inject(t, s, "stage=start_push,indexes=1,index-time=1h,times=1")
	started := mustStart(t, s, newPush(s))
	done := make(chan answered, 1)
	go func() { done <- waitFor(t, s, started, 60_000) }()
	testkit.Eventually(t, "the poll waits", func() bool { return s.Running() == 1 })
	mustStart(t, s, change(newPush(s), object{"schema": module("schema.js", "")}))
	if got := <-done; got.body != `{"type":"raceDetected"}` {
		t.Errorf("got %s", got.body)
	}
}

func TestASchemaThatDocumentsDoNotMatch(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	inject(t, s, `stage=wait_for_schema,schema-error=Document does not match,table=notes,times=1`)
	started := mustStart(t, s, newPush(s))
	const want = `{"componentPath":"","error":"Document does not match","tableName":"notes","type":"failed"}`
	for range 2 {
		if got := waitFor(t, s, started, 10_000); got.status != 200 || got.body != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
	wantFailure(t, "finish_push", finishPush(t, s, started), 400, "SchemaAlreadyFailed")
	deploy(t, s, newPush(s))
}

func TestARaceOnRequest(t *testing.T) {
	s := simtest.Start(t, convexsim.Options{})
	inject(t, s, "stage=wait_for_schema,race,times=1")
	started := mustStart(t, s, newPush(s))
	if got := waitFor(t, s, started, 0); got.body != `{"type":"raceDetected"}` {
		t.Errorf("got %s", got.body)
	}
	wantFailure(t, "finish_push", finishPush(t, s, started), 400, "SchemaAlreadyOverwritten")
}
