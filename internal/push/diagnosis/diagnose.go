package diagnosis

import (
	"net/http"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/net/netcause"
)

// Diagnose returns what an observation means, why it happens and what to do. It
// looks it up in the catalogue; what is not in there is judged by its HTTP status
// alone, with advice on how to learn more.
func Diagnose(o Observation) Diagnosis {
	for _, section := range catalogue() {
		for _, row := range section.rows {
			if row.matches(o) {
				return row.diagnose(o)
			}
		}
	}
	return diagnoseUnknown(o)
}

// section is a part of the catalogue, with the title it has in docs/diagnostics.md.
type section struct {
	title, intro string
	rows         []row
}

// catalogue returns everything that is known to go wrong. Special cases stand before
// general ones, also across sections.
func catalogue() []section {
	return []section{
		{"Admin key", "Nothing was changed: every route checks the key first.", authRows()},
		{"Races", "Another client writes to the same deployment. The whole push is done again.", raceRows()},
		{"Environment variables", "A write of variables is one transaction: when it is refused, nothing of it was applied and the old values are live.", variableRows()},
		{"Your code, schema or configuration", "The same input fails in the same way; restarting does not help. The deployment keeps running the functions it had.", refusalRows()},
		{"Schema, indexes and time limits", "", append(conditionRows(), timeoutRows()...)},
		{"The convex CLI and the push request", "", driverRows()},
		{"Load and restarts", "The backend is there and cannot do it now.", capacityRows()},
		{"No answer", "The backend, or something before it, did not complete an answer.", transportRows()},
		{"Answers of something else", "An HTTP status without a code of the backend.", statusRows()},
	}
}

func diagnoseUnknown(o Observation) Diagnosis {
	d := Diagnosis{
		Cause: "This answer is not in the catalogue; its words above are all that is known.",
		Fix:   []string{"RUST_LOG=info in .env, then docker compose up -d convex and deploy again (makes the backend log what it refuses)", readBackendLog},
		Retry: RetryNo,
		Exit:  exit.DeployRefused,
	}
	switch {
	case o.Transport == netcause.Canceled:
		d.Cause, d.Fix = "The request was ended from our side.", []string{"none is needed; another start does it again"}
		d.Exit = exit.Temporary
	case o.Status == http.StatusUnauthorized, o.Status == http.StatusForbidden:
		d.Exit = exit.NoPermission
	case o.Status == http.StatusConflict:
		d.Retry, d.Pace, d.Exit = RetryRedo, PaceBrief, exit.Temporary
	case passing(o):
		d.Retry, d.Pace, d.Exit = RetrySame, PaceLoad, exit.Temporary
		d.Fix = []string{readBackendLog, "RUST_LOG=debug in .env, then docker compose up -d convex (makes the backend say more)"}
	}
	return d
}

// passing reports whether a status by itself promises that trying again may help.
func passing(o Observation) bool {
	return o.Transport != netcause.None || o.Status >= 500 ||
		slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests}, o.Status)
}

// readBackendLog is the step that nearly every fix begins with, where the log can have
// more than the answer: with our RUST_LOG it has the cause of what is the backend's
// fault, and not what it refuses.
const readBackendLog = "docker compose logs --tail 200 convex"
