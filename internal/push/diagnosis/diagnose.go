package diagnosis

import (
	"net/http"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/net/netcause"
	"github.com/tale-project/tale-runtime/internal/place"
)

// Diagnose returns what an observation means, why it happens and what to do. It
// looks it up in the catalogue; what is not in there is judged by its HTTP status
// alone, with advice on how to learn more.
func Diagnose(o Observation) Diagnosis {
	at := advisor{place.Here()}
	for _, section := range at.catalogue() {
		for _, row := range section.rows {
			if row.matches(o) {
				return row.diagnose(o)
			}
		}
	}
	return at.diagnoseUnknown(o)
}

// section is a part of the catalogue, with the title it has in docs/diagnostics.md.
type section struct {
	title, intro string
	rows         []row
}

// advisor words the fixes of the catalogue for a place.
type advisor struct{ place.Place }

// catalogue returns everything that is known to go wrong. Special cases stand before
// general ones, also across sections.
func (at advisor) catalogue() []section {
	return []section{
		{"Admin key", "Nothing was changed: every route checks the key first.", at.authRows()},
		{"Races", "Another client writes to the same deployment. The whole push is done again.", at.raceRows()},
		{"Environment variables", "A write of variables is one transaction: when it is refused, nothing of it was applied and the old values are live.", at.variableRows()},
		{"Your code, schema or configuration", "The same input fails in the same way; restarting does not help. The deployment keeps running the functions it had.", at.refusalRows()},
		{"Schema, indexes and time limits", "", append(at.conditionRows(), at.timeoutRows()...)},
		{"The convex CLI and the push request", "", at.driverRows()},
		{"Load and restarts", "The backend is there and cannot do it now.", at.capacityRows()},
		{"No answer", "The backend, or something before it, did not complete an answer.", at.transportRows()},
		{"Answers of something else", "An HTTP status without a code of the backend.", at.statusRows()},
	}
}

func (at advisor) diagnoseUnknown(o Observation) Diagnosis {
	d := Diagnosis{
		Cause: "This answer is not in the catalogue; its words above are all that is known.",
		Fix:   []string{at.Set("RUST_LOG=info", "convex") + " and deploy again (makes the backend log what it refuses)", at.readBackendLog()},
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
		d.Fix = []string{at.readBackendLog(), at.Set("RUST_LOG=debug", "convex") + " (makes the backend say more)"}
	}
	return d
}

// passing reports whether a status by itself promises that trying again may help.
func passing(o Observation) bool {
	return o.Transport != netcause.None || o.Status >= 500 ||
		slices.Contains([]int{http.StatusRequestTimeout, http.StatusTooManyRequests}, o.Status)
}

// readBackendLog returns the step that nearly every fix begins with, where the log can have
// more than the answer: with our RUST_LOG it has the cause of what is the backend's
// fault, and not what it refuses.
func (at advisor) readBackendLog() string {
	return at.Tail(200, "convex")
}
