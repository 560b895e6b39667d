package diagnosis

import (
	"net/http"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// forcePush is the fix of lost or doubtful modules.
const forcePush = "CONVEX_FORCE_PUSH=true in .env, then docker compose up -d platform (sends every module, as after a database was restored without convex/modules)"

// capacityRows returns the answers of a backend that is busy, starting or in trouble.
func capacityRows() []row {
	busy := func(pace Pace, cause string, fix []string, codes ...string) row {
		return row{codes: codes, cause: cause, fix: fix, retry: RetrySame, pace: pace, exit: exit.Temporary}
	}
	load := []string{"docker stats --no-stream convex (is it out of CPU or memory?)", readBackendLog}
	trouble := []string{
		readBackendLog,
		"docker compose exec convex df -h /app/data; docker compose exec db df -h /var/lib/postgresql/data (a full disk)",
		"docker compose logs convex | grep -i lease; docker ps -a --filter name=convex (a second backend on the same database takes its lease away)",
	}
	slow := busy(PaceLoad, "The request took so long that the data it had read from was retired.", load, "InternalServerError")
	slow.statuses = []int{http.StatusServiceUnavailable}
	internal := busy(PaceRestart, "The backend has trouble of its own, which it tells its log only: shutting down, no disk space, no database, a missing file of its storage.", trouble, "InternalServerError")
	start := busy(PaceRestart, "Only the backend's log says why: no disk space, no database, or lost packages of functions (the retry sends every module).",
		append(slices.Clone(trouble), forcePush), "InternalServerError")
	start.statuses, start.stages = []int{http.StatusInternalServerError}, []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush}
	run := busy(PaceRestart, "Functions do not run, and only the backend's log says why: their packages are lost, a newer backend has migrated the database, or it has trouble of its own.",
		append(slices.Clone(trouble), forcePush, "docker compose logs convex | grep -iE 'Src|ahead' (lost packages; or a newer backend was here: use its image again, there is no way back)"), "InternalServerError")
	run.statuses, run.stages = start.statuses, []backend.Stage{backend.StageRunFunction}
	return []row{
		busy(PaceLoad, "All workers that evaluate functions are busy.", append(slices.Clone(load), "APPLICATION_MAX_CONCURRENT_QUERIES and its likes in .env, then docker compose up -d convex (more workers)"),
			"ExecuteFullError", "ExpiredInQueue", "WorkerOverloaded", "InitialPermitTimeoutError", "IsolateNotClean"),
		busy(PaceLoad, "The backend spent more time on its own part of the evaluation than it allows.", load, "SystemTimeoutError"),
		busy(PaceLoad, "The backend's queue of commits is full: the database is slow, or there are too many writes.", append(slices.Clone(load), "docker compose logs --tail 100 db"), "CommitterFullError"),
		busy(PaceLoad, "The backend's queue of subscriptions is full; many clients are connecting again, as after a deploy or a restart.", load, "SubscriptionsWorkerFullError"),
		busy(PaceRestart, "The backend was started a moment ago and has not loaded its tables and indexes yet.", []string{readBackendLog}, "TableSummariesUnavailable", "SearchIndexesUnavailable", "VectorIndexesUnavailable"),
		busy(PaceLoad, "A search or vector index holds more unflushed data than the backend allows (100 MiB).",
			[]string{"docker compose logs convex | grep -iE 'flusher|compactor'", "SEARCH_INDEX_SIZE_HARD_LIMIT or VECTOR_INDEX_SIZE_HARD_LIMIT in .env, then docker compose up -d convex; or stage the index"},
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
