package diagnosis

import (
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// variableRows returns the refusals of the environment-variable routes, and of code
// that needs variables.
func variableRows() []row {
	return append(append(variableNameRows(), variableLimitRows()...), neededVariableRows()...)
}

// restartPlatform ends every fix that is made in .env.
const restartPlatform = "docker compose up -d platform (after correcting .env)"

// refused completes a row that is final and, unless it says otherwise, about the
// write of the variables.
func refused(r row) row {
	r = refuse(r)
	if r.stages == nil && r.seen == nil {
		r.seen = []backend.Stage{backend.StageUpdateEnv}
	}
	return r
}

func variableNameRows() []row {
	return []row{
		refused(row{
			codes: []string{"EnvironmentVariableNameTooLong"},
			cause: "The name of a variable is longer than the backend stores (the limit is in its message).",
			fix:   []string{"take the name out of CONVEX_ENV_SYNC_EXTRA, or shorten it", restartPlatform},
		}),
		refused(row{
			codes: []string{"EnvironmentVariableNameInvalid"},
			cause: "The name of a variable has characters other than letters, digits and underscores, or begins with a digit.",
			fix:   []string{"correct CONVEX_ENV_SYNC_EXTRA in .env", restartPlatform},
		}),
		refused(row{
			codes: []string{"EnvVarNameForbidden"},
			cause: "A variable has the name of one that the backend itself provides (CONVEX_CLOUD_URL, CONVEX_SITE_URL).",
			fix:   []string{"take it out of CONVEX_ENV_SYNC_EXTRA; its value comes from CONVEX_CLOUD_ORIGIN and CONVEX_SITE_ORIGIN of the convex container", restartPlatform},
		}),
		refused(row{
			codes: []string{"EnvVarNameNotUnique"},
			cause: "A variable is in the request twice.",
			fix:   []string{"correct CONVEX_ENV_SYNC_EXTRA in .env", restartPlatform},
		}),
	}
}

func variableLimitRows() []row {
	return []row{
		refused(row{
			codes: []string{"EnvironmentVariableValueTooLarge"},
			cause: "A variable is longer than the backend stores.",
			fix:   []string{"shorten the value, or put it into a file on the volume of the convex container and push the path", restartPlatform},
		}),
		refused(row{
			codes: []string{"EnvVarLimitMet", "EnvVarTotalSizeLimitMet"},
			cause: "The deployment would hold more variables, or longer ones in all, than the backend stores.",
			fix: []string{
				"docker compose run --rm platform env (lists all of them with their lengths)",
				"remove variables in the dashboard (Settings, Environment Variables)",
				"ENV_VAR_LIMIT or ENV_VAR_TOTAL_SIZE_LIMIT in .env, then docker compose up -d convex (raises the limit)",
			},
		}),
		refused(row{
			conditions: []Condition{ConditionVariableLimit},
			cause:      "All changes together are larger than one request to the backend may be; they were not sent, and the old values are live.",
			fix:        []string{"docker compose run --rm platform env (shows which are the long ones)", "shorten CONVEX_ENV_SYNC_EXTRA or its values", restartPlatform},
		}),
	}
}

// neededVariableRows returns those about variables that code needs, and who writes them.
func neededVariableRows() []row {
	return []row{
		refused(row{
			codes:  []string{"AuthConfigMissingEnvironmentVariable"},
			stages: []backend.Stage{backend.StageUpdateEnv},
			cause:  "auth.config of the release reads a variable that this change would leave unset.",
			fix:    []string{"set the variable in .env, then docker compose up -d platform"},
		}),
		refused(row{
			codes: []string{"AuthConfigMissingEnvironmentVariable"},
			seen:  []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush},
			cause: "auth.config of the functions reads an environment variable that the deployment does not have.",
			fix: []string{
				"docker compose run --rm platform env (is it in the list?)",
				"if it is not one of ours: CONVEX_ENV_SYNC_EXTRA=NAME in .env, and the variable itself",
				restartPlatform,
			},
		}),
		refused(row{
			codes: []string{"MissingEnvironmentVariables", "RequiredEnvironmentVariable"},
			seen:  []backend.Stage{backend.StageUpdateEnv, backend.StageFinishPush},
			cause: "A variable that convex.config.ts of the release declares as required is not set, or would be removed.",
			fix:   []string{"docker compose run --rm platform env (is it in the list?)", "set it in .env and, if it is not one of ours, name it in CONVEX_ENV_SYNC_EXTRA", restartPlatform},
		}),
		refused(row{
			codes: []string{"InvalidEnvironmentVariable"},
			seen:  []backend.Stage{backend.StageUpdateEnv, backend.StageFinishPush},
			cause: "The value of a variable is not what convex.config.ts of the release declares for it.",
			fix:   []string{"correct the value in .env", restartPlatform},
		}),
		refused(row{
			codes: []string{"InvalidEnvVarDeclaration"},
			seen:  []backend.Stage{backend.StageStartPush},
			cause: "convex.config.ts declares an environment variable in a way that the backend does not accept.",
			fix:   []string{"correct the declaration and build the image again"},
		}),
		{
			conditions: []Condition{ConditionNotConfirmed},
			seen:       []backend.Stage{backend.StageListEnv},
			cause:      "The deployment does not hold what was written a moment ago: another client writes the same variables.",
			fix:        []string{oneDeployer, "docker compose run --rm platform env (what differs)", "give all platform containers the same .env"},
			retry:      RetryNo, exit: exit.Temporary,
		},
	}
}
