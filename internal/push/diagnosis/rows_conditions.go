package diagnosis

import (
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

// conditionRows returns the results that come with status 200, and the limit of all.
func (at advisor) conditionRows() []row {
	return []row{
		{
			conditions: []Condition{ConditionSchemaFailed},
			seen:       []backend.Stage{backend.StageWaitForSchema},
			cause:      "A document in the table {table}{component} contradicts the new schema; the data stays as it is and {old}.",
			fix: []string{
				"make the schema accept the document that the backend shows (v.optional, v.union), deploy, migrate the data, and tighten the schema with the next release",
				"or correct the documents in the dashboard (tab Data; " + at.Exec("convex", "convex-entrypoint admin-key") + " prints its key), then " + at.Recreate("platform"),
			},
			retry: RetryNo, exit: exit.DeployRefused,
		},
		{
			conditions: []Condition{ConditionDeployMax},
			seen:       []backend.Stage{backend.StageWaitForSchema},
			cause:      "Index building still made progress when CONVEX_DEPLOY_MAX ({limit}) was over ({indexes} indexes ready); the backend goes on building, and the next deploy takes it up there.",
			fix: []string{
				at.Recreate("platform") + " (goes on waiting)",
				at.Set("CONVEX_DEPLOY_MAX=2h", "platform"),
				"or add the index with staged: true in one release and switch it on in a later one, so that no deploy waits for it",
			},
			retry: RetryNo, exit: exit.Temporary,
		},
		{
			conditions: []Condition{ConditionUnexpectedAnswer},
			cause:      "Something answered that is not a Convex backend, or one of a release that speaks another protocol.",
			fix: []string{
				"let CONVEX_URL name the backend's own port (http://convex:3210, not the site's URL and not 3211)",
				at.Run("platform", "doctor"),
			},
			retry: RetryNo, exit: exit.DeployRefused,
		},
	}
}
