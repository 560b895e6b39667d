package diagnosis

import (
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// timeoutRows returns the ends of our time limits, stage by stage.
func (at advisor) timeoutRows() []row {
	timeout := func(stages []backend.Stage, cause string, fix ...string) row {
		return row{
			conditions: []Condition{ConditionStageTimeout}, stages: stages, cause: cause, fix: fix,
			retry: RetryRedo, pace: PaceLoad, exit: exit.Temporary,
		}
	}
	raise := at.Set("CONVEX_DEPLOY_TIMEOUT=600", "platform") + " (raises the limit)"
	hangs := at.Exec("convex", "convex-entrypoint status") + " (does the backend answer at all? if it hangs: " + at.Restart("convex") + ")"
	stalled := timeout(nil, "The backend built no index further for {limit} ({indexes} indexes ready).",
		at.Tail(200, "convex")+" | grep -iE 'backfill|flusher|index'",
		at.Exec("convex", "df -h /app/data")+" (a full disk stops index building)", raise)
	stalled.conditions, stalled.seen = []Condition{ConditionStalled}, []backend.Stage{backend.StageWaitForSchema}
	return []row{
		stalled,
		timeout([]backend.Stage{backend.StageBundle}, "The convex CLI did not finish bundling the functions within {limit}.",
			at.Load()+" (is the machine out of CPU or memory?)",
			"build the push request into the image (make push-request), so that nothing is bundled at boot", raise),
		timeout([]backend.Stage{backend.StageGetConfigHashes}, "The backend did not answer the question for its modules within {limit}: it is starting, overloaded, or its database does not answer.",
			hangs, at.readBackendLog(), at.State("db", "convex"), raise),
		timeout([]backend.Stage{backend.StageEvaluateSchema}, "The backend did not finish evaluating the schema within {limit}: it hangs or is overloaded.", hangs, at.readBackendLog(), raise),
		timeout([]backend.Stage{backend.StageEvaluatePush}, "The backend did not finish evaluating the functions within {limit}: it hangs, is overloaded, or still installs external packages of \"use node\" functions.",
			hangs, at.Log("convex")+" | grep -i npm", raise),
		timeout([]backend.Stage{backend.StageStartPush}, "The backend did not finish analysing the functions within {limit}: it hangs, is overloaded, or still installs external packages of \"use node\" functions.",
			hangs, at.Log("convex")+" | grep -i npm", at.readBackendLog(), raise),
		timeout([]backend.Stage{backend.StageWaitForSchema}, "The backend did not finish checking documents against the schema or building indexes within {limit} ({indexes} indexes ready).",
			at.Exec("platform", "platform-entrypoint status")+" (the index and its counts)", at.readBackendLog(), raise),
		timeout([]backend.Stage{backend.StageFinishPush}, "The backend did not commit the push within {limit}; it may still do so, and pushing again is safe then.",
			hangs, at.readBackendLog(), at.State("db"), raise),
		timeout([]backend.Stage{backend.StageRunFunction}, "The function did not end within {limit}; it may still be running.", at.readBackendLog()),
		timeout(nil, "The stage did not end within {limit}.", at.readBackendLog(), raise),
	}
}
