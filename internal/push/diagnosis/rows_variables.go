package diagnosis

import (
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// variableRows returns the refusals of the environment-variable routes, and of code
// that needs variables.
func (at advisor) variableRows() []row {
	return append(append(at.variableNameRows(), at.variableLimitRows()...), at.neededVariableRows()...)
}

// restartPlatform returns what ends every fix that is made in .env.
func (at advisor) restartPlatform() string {
	return at.Start("platform") + " (after correcting " + at.Settings() + ")"
}

// refused completes a row that is final and, unless it says otherwise, about the
// write of the variables.
func refused(r row) row {
	r = refuse(r)
	if r.stages == nil && r.seen == nil {
		r.seen = []backend.Stage{backend.StageUpdateEnv}
	}
	return r
}

func (at advisor) variableNameRows() []row {
	return []row{
		refused(row{
			codes: []string{"EnvironmentVariableNameTooLong"},
			cause: "The name of a variable is longer than the backend stores (the limit is in its message).",
			fix:   []string{"take the name out of CONVEX_ENV_SYNC_EXTRA, or shorten it", at.restartPlatform()},
		}),
		refused(row{
			codes: []string{"EnvironmentVariableNameInvalid"},
			cause: "The name of a variable has characters other than letters, digits and underscores, or begins with a digit.",
			fix:   []string{"correct CONVEX_ENV_SYNC_EXTRA in " + at.Settings(), at.restartPlatform()},
		}),
		refused(row{
			codes: []string{"EnvVarNameForbidden"},
			cause: "A variable has the name of one that the backend itself provides (CONVEX_CLOUD_URL, CONVEX_SITE_URL).",
			fix:   []string{"take it out of CONVEX_ENV_SYNC_EXTRA; its value comes from CONVEX_CLOUD_ORIGIN and CONVEX_SITE_ORIGIN of the convex container", at.restartPlatform()},
		}),
		refused(row{
			codes: []string{"EnvVarNameNotUnique"},
			cause: "A variable is in the request twice.",
			fix:   []string{"correct CONVEX_ENV_SYNC_EXTRA in " + at.Settings(), at.restartPlatform()},
		}),
	}
}

func (at advisor) variableLimitRows() []row {
	return []row{
		refused(row{
			codes: []string{"EnvironmentVariableValueTooLarge"},
			cause: "A variable is longer than the backend stores.",
			fix:   []string{"shorten the value, or put it into a file on the volume of the convex container and push the path", at.restartPlatform()},
		}),
		refused(row{
			codes: []string{"EnvVarLimitMet", "EnvVarTotalSizeLimitMet"},
			cause: "The deployment would hold more variables, or longer ones in all, than the backend stores.",
			fix: []string{
				at.Run("platform", "env") + " (lists all of them with their lengths)",
				"remove variables in the dashboard (Settings, Environment Variables)",
				at.Set("ENV_VAR_LIMIT or ENV_VAR_TOTAL_SIZE_LIMIT", "convex") + " (raises the limit)",
			},
		}),
		refused(row{
			conditions: []Condition{ConditionVariableLimit},
			cause:      "All changes together are larger than one request to the backend may be; they were not sent, and the old values are live.",
			fix:        []string{at.Run("platform", "env") + " (shows which are the long ones)", "shorten CONVEX_ENV_SYNC_EXTRA or its values", at.restartPlatform()},
		}),
	}
}

// neededVariableRows returns those about variables that code needs, and who writes them.
func (at advisor) neededVariableRows() []row {
	return []row{
		refused(row{
			codes:  []string{"AuthConfigMissingEnvironmentVariable"},
			stages: []backend.Stage{backend.StageUpdateEnv},
			cause:  "auth.config of the release reads a variable that this change would leave unset.",
			fix:    []string{"set the variable in " + at.Settings() + ", then " + at.Start("platform")},
		}),
		refused(row{
			codes: []string{"AuthConfigMissingEnvironmentVariable"},
			seen:  []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush},
			cause: "auth.config of the functions reads an environment variable that the deployment does not have.",
			fix: []string{
				at.Run("platform", "env") + " (is it in the list?)",
				"if it is not one of ours: CONVEX_ENV_SYNC_EXTRA=NAME in " + at.Settings() + ", and the variable itself",
				at.restartPlatform(),
			},
		}),
		refused(row{
			codes: []string{"MissingEnvironmentVariables", "RequiredEnvironmentVariable"},
			seen:  []backend.Stage{backend.StageUpdateEnv, backend.StageFinishPush},
			cause: "A variable that convex.config.ts of the release declares as required is not set, or would be removed.",
			fix:   []string{at.Run("platform", "env") + " (is it in the list?)", "set it in " + at.Settings() + " and, if it is not one of ours, name it in CONVEX_ENV_SYNC_EXTRA", at.restartPlatform()},
		}),
		refused(row{
			codes: []string{"InvalidEnvironmentVariable"},
			seen:  []backend.Stage{backend.StageUpdateEnv, backend.StageFinishPush},
			cause: "The value of a variable is not what convex.config.ts of the release declares for it.",
			fix:   []string{"correct the value in " + at.Settings(), at.restartPlatform()},
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
			fix:        []string{at.oneDeployer(), at.Run("platform", "env") + " (what differs)", "give all platform containers the same " + at.Values()},
			retry:      RetryNo, exit: exit.Temporary,
		},
	}
}
