package diagnosis

import (
	"net/http"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// oneDeployer returns the fix of every race that does not end by itself.
func (at advisor) oneDeployer() string {
	return at.Containers("platform") + " (only one of them may deploy at a time; wait for the other one, or stop it)"
}

// raceRows returns the conflicts with another writer of the deployment.
func (at advisor) raceRows() []row { return append(at.pushRaceRows(), at.commitRows()...) }

func redo(r row) row {
	r.retry, r.pace, r.exit = RetryRedo, PaceBrief, exit.Temporary
	return r
}

// pushRaceRows returns the races that the backend recognises as such.
func (at advisor) pushRaceRows() []row {
	return []row{
		redo(row{
			codes: []string{"RaceDetected"},
			seen:  []backend.Stage{backend.StageFinishPush},
			cause: "An environment variable of the deployment was changed between start_push and finish_push.",
			fix:   []string{"change variables in the dashboard when no deploy is running", at.oneDeployer()},
		}),
		redo(row{
			conditions: []Condition{ConditionSchemaRace},
			seen:       []backend.Stage{backend.StageWaitForSchema},
			cause:      "Another push, or an import, replaced the schema while this one waited for it.",
			fix:        []string{at.oneDeployer()},
		}),
		redo(row{
			codes: []string{"SchemaAlreadyOverwritten"},
			seen:  []backend.Stage{backend.StageFinishPush},
			cause: "Another push replaced the schema before this one could finish.",
			fix:   []string{at.oneDeployer()},
		}),
		redo(row{
			codes: []string{"ConcurrentPush"},
			seen:  []backend.Stage{backend.StageFinishPush},
			cause: "Another push finished at the same moment.",
			fix:   []string{at.oneDeployer()},
		}),
		{
			codes: []string{"SchemaAlreadyFailed"},
			seen:  []backend.Stage{backend.StageFinishPush},
			cause: "A document that contradicts the new schema was written while the push was under way; the running functions still write such documents.",
			fix: []string{
				"make the schema accept what the running functions write (v.optional, v.union), deploy, and tighten it with the next release",
				"or correct the documents in the dashboard (tab Data), then " + at.Recreate("platform"),
			},
			retry: RetryNo, exit: exit.DeployRefused,
		},
		redo(row{
			codes: []string{"MissingExistingModule", "MissingExistingModuleMetadata", "ExistingModuleHashConflict", "ExistingModuleEnvConflict"},
			seen:  []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush},
			cause: "Modules that were sent as \"unchanged\" are not, or no longer, what the backend holds: another push came between.",
			fix:   []string{at.oneDeployer(), at.forcePush()},
		}),
	}
}

// commitRows returns the conflicts seen at a commit, and pushes whose parts are gone.
func (at advisor) commitRows() []row {
	return []row{
		redo(row{
			codes:  []string{"OptimisticConcurrencyControlFailure"},
			stages: []backend.Stage{backend.StageFinishPush},
			cause:  "Other writes changed the same system tables while the push was committed, more often than the backend retries.",
			fix:    []string{at.oneDeployer(), "deploy again when there is less traffic"},
		}),
		{
			codes: []string{"OptimisticConcurrencyControlFailure"},
			seen:  []backend.Stage{backend.StageStartPush, backend.StageUpdateEnv},
			cause: "Another write changed the same system tables at the same moment.",
			fix:   []string{at.oneDeployer()},
			retry: RetrySame, pace: PaceBrief, exit: exit.Temporary,
		},
		redo(row{
			codes:    []string{"InternalServerError"},
			statuses: []int{http.StatusInternalServerError},
			stages:   []backend.Stage{backend.StageWaitForSchema},
			cause:    "The backend has trouble of its own, which it tells its log only (no disk space, no database); or the schema that the push waits for is gone, because another push replaced it or an older one was cleaned up.",
			fix:      []string{at.readBackendLog(), at.Exec("convex", "df -h /app/data") + " (a full disk shows here)", at.oneDeployer()},
		}),
		redo(row{
			codes:    []string{"InternalServerError"},
			statuses: []int{http.StatusInternalServerError},
			stages:   []backend.Stage{backend.StageFinishPush},
			cause:    "The backend could not finish the push: its schema or an index is not ready any more, a package that start_push stored is gone (files under convex/modules were deleted), or the backend has trouble of its own.",
			fix:      []string{at.readBackendLog(), at.Exec("convex", "df -h /app/data") + " (a full disk shows here)"},
		}),
	}
}
