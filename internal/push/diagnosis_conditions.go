package push

import "github.com/tale-project/tale-runtime/internal/exit"

// conditionRows are the results that come with status 200, and our time limits.
func conditionRows() []row {
	const progressFix = "docker compose exec platform platform-entrypoint status (the index and its counts)"
	passing := func(r row) row {
		r.retry, r.pace, r.exit = RetryRedo, PaceLoad, exit.Temporary
		return r
	}
	timeout := func(stage Stage, cause string, fix ...string) row {
		return passing(row{conditions: []Condition{ConditionStageTimeout}, stages: []Stage{stage}, cause: cause, fix: fix})
	}
	const raise = "CONVEX_DEPLOY_TIMEOUT=600 in .env, then docker compose up -d platform (raises the limit)"
	return []row{
		{
			conditions: []Condition{ConditionSchemaFailed},
			seen:       []Stage{StageWaitForSchema},
			cause:      "A document in the table {table}{component} contradicts the new schema; the data stays as it is and the old functions keep running.",
			fix: []string{
				"make the schema accept the document that the backend shows (v.optional, v.union), deploy, migrate the data, and tighten the schema with the next release",
				"or correct the documents in the dashboard (tab Data; docker compose exec convex convex-entrypoint admin-key prints its key), then docker compose restart platform",
			},
			retry: RetryNo, exit: exit.DeployRefused,
		},
		passing(row{
			conditions: []Condition{ConditionStalled},
			seen:       []Stage{StageWaitForSchema},
			cause:      "The backend built no index further for {limit} ({indexes} indexes ready).",
			fix: []string{
				"docker compose logs --tail 200 convex | grep -iE 'backfill|flusher|index'",
				"docker compose exec convex df -h /app/data (a full disk stops index building)",
				raise,
			},
		}),
		{
			conditions: []Condition{ConditionDeployMax},
			seen:       []Stage{StageWaitForSchema},
			cause:      "Index building still made progress when CONVEX_DEPLOY_MAX ({limit}) was over ({indexes} indexes ready); the backend goes on building, and the next deploy takes it up there.",
			fix: []string{
				"docker compose restart platform (goes on waiting)",
				"CONVEX_DEPLOY_MAX=2h in .env, then docker compose up -d platform",
				"or add the index with staged: true in one release and switch it on in a later one, so that no deploy waits for it",
			},
			retry: RetryNo, exit: exit.Temporary,
		},
		timeout(StageBundle, "The convex CLI did not finish bundling the functions within {limit}.",
			"docker stats --no-stream (is the machine out of CPU or memory?)",
			"build the push request into the image (make push-request), so that nothing is bundled at boot", raise),
		timeout(StageGetConfigHashes, "The backend did not answer the question for its modules within {limit}: it is starting, overloaded, or its database does not answer.",
			readBackendLog, "docker compose ps db convex", raise),
		timeout(StageEvaluateSchema, "The backend did not finish evaluating the schema within {limit}.", readBackendLog, raise),
		timeout(StageEvaluatePush, "The backend did not finish evaluating the functions within {limit}; it installs external packages of \"use node\" functions in this stage, too.",
			"docker compose logs convex | grep -i npm", raise),
		timeout(StageStartPush, "The backend did not finish analysing the functions within {limit}; it installs external packages of \"use node\" functions in this stage, too.",
			"docker compose logs convex | grep -i npm", readBackendLog, raise),
		timeout(StageWaitForSchema, "The backend did not finish checking documents against the schema or building indexes within {limit} ({indexes} indexes ready).",
			progressFix, readBackendLog, raise),
		timeout(StageFinishPush, "The backend did not commit the push within {limit}; it may still do so, and pushing again is safe then.",
			readBackendLog, "docker compose ps db", raise),
		timeout(StageRunFunction, "The function did not end within {limit}; it may still be running.", readBackendLog),
		passing(row{
			conditions: []Condition{ConditionStageTimeout},
			cause:      "The stage did not end within {limit}.",
			fix:        []string{readBackendLog, raise},
		}),
		{
			conditions: []Condition{ConditionUnexpectedAnswer},
			cause:      "Something answered that is not a Convex backend, or one of a release that speaks another protocol.",
			fix: []string{
				"let CONVEX_URL name the backend's own port (http://convex:3210, not the site's URL and not 3211)",
				"docker compose run --rm platform doctor",
			},
			retry: RetryNo, exit: exit.DeployRefused,
		},
	}
}
