package diagnosis

import (
	"net/http"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// forcePush returns the fix of lost or doubtful modules.
func (at advisor) forcePush() string {
	return at.Set("CONVEX_FORCE_PUSH=true", "platform") + " (sends every module, as after a database was restored without convex/modules)"
}

// capacityRows returns the answers of a backend that is busy, starting or in trouble.
func (at advisor) capacityRows() []row {
	busy := func(pace Pace, cause string, fix []string, codes ...string) row {
		return row{codes: codes, cause: cause, fix: fix, retry: RetrySame, pace: pace, exit: exit.Temporary}
	}
	load := []string{at.Load("convex") + " (is it out of CPU or memory?)", at.readBackendLog()}
	trouble := []string{
		at.readBackendLog(),
		at.Exec("convex", "df -h /app/data") + "; " + at.Exec("db", "df -h /var/lib/postgresql/data") + " (a full disk)",
		at.Log("convex") + " | grep -i lease; " + at.Containers("convex") + " (a second backend on the same database takes its lease away)",
	}
	slow := busy(PaceLoad, "The request took so long that the data it had read from was retired.", load, "InternalServerError")
	slow.statuses = []int{http.StatusServiceUnavailable}
	internal := busy(PaceRestart, "The backend has trouble of its own, which it tells its log only: shutting down, no disk space, no database, a missing file of its storage.", trouble, "InternalServerError")
	start := busy(PaceRestart, "Only the backend's log says why: no disk space, no database, or lost packages of functions (the retry sends every module).",
		append(slices.Clone(trouble), at.forcePush()), "InternalServerError")
	start.statuses, start.stages = []int{http.StatusInternalServerError}, []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush}
	run := busy(PaceRestart, "Functions do not run, and only the backend's log says why: their packages are lost, a newer backend has migrated the database, or it has trouble of its own.",
		append(slices.Clone(trouble), at.forcePush(), at.Log("convex")+" | grep -iE 'Src|ahead' (lost packages; or a newer backend was here: use its image again, there is no way back)"), "InternalServerError")
	run.statuses, run.stages = start.statuses, []backend.Stage{backend.StageRunFunction}
	return []row{
		busy(PaceLoad, "All workers that evaluate functions are busy.", append(slices.Clone(load), at.Set("APPLICATION_MAX_CONCURRENT_QUERIES and its likes", "convex")+" (more workers)"),
			"ExecuteFullError", "ExpiredInQueue", "WorkerOverloaded", "InitialPermitTimeoutError", "IsolateNotClean"),
		busy(PaceLoad, "The backend spent more time on its own part of the evaluation than it allows.", load, "SystemTimeoutError"),
		busy(PaceLoad, "The backend's queue of commits is full: the database is slow, or there are too many writes.", append(slices.Clone(load), at.Tail(100, "db")), "CommitterFullError"),
		busy(PaceLoad, "The backend's queue of subscriptions is full; many clients are connecting again, as after a deploy or a restart.", load, "SubscriptionsWorkerFullError"),
		busy(PaceRestart, "The backend was started a moment ago and has not loaded its tables and indexes yet.", []string{at.readBackendLog()}, "TableSummariesUnavailable", "SearchIndexesUnavailable", "VectorIndexesUnavailable"),
		busy(PaceLoad, "A search or vector index holds more unflushed data than the backend allows (100 MiB).",
			[]string{at.Log("convex") + " | grep -iE 'flusher|compactor'", at.Set("SEARCH_INDEX_SIZE_HARD_LIMIT or VECTOR_INDEX_SIZE_HARD_LIMIT", "convex") + "; or stage the index"},
			"TextIndexTooLarge", "VectorIndexTooLarge"),
		busy(PaceLoad, "Too many writes, or too many at once.", load, "TooManyWritesInTimePeriod", "TooManyWrites"),
		busy(PaceLoad, "Too many functions run at once.", load, "TooManyConcurrentRequests"),
		{
			codes:      []string{"BackendIsNotRunning"},
			conditions: []Condition{ConditionNotRunning},
			seen:       []backend.Stage{backend.StageRunFunction},
			cause:      "The deployment is paused, so functions do not run.",
			fix:        []string{"resume it in the dashboard (Settings, Pause Deployment)"},
			retry:      RetryNo, exit: exit.DeployRefused,
		},
		slow,
		start,
		run,
		internal,
		busy(PaceRestart, "The backend cannot do it now.", trouble, "ServiceUnavailable"),
	}
}
