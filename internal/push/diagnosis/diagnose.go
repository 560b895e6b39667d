package diagnosis

import (
	"net/http"
	"slices"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/sys/netcause"
	"github.com/tale-project/tale-runtime/internal/sys/place"
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

// diagnoseUnknown judges an answer that no row is about by its status: that says on whose side
// the trouble is.
func (at advisor) diagnoseUnknown(o Observation) Diagnosis {
	const unlisted = " The catalogue does not have this answer; its words above say more."
	logRefusals := at.Set("RUST_LOG=info", "convex") + " and deploy again (makes the backend log what it refuses)"
	switch {
	case o.Transport == netcause.Canceled:
		return Diagnosis{Cause: "The request was ended from our side.", Fix: []string{"none is needed; another start does it again"}, Retry: RetryNo, Exit: exit.Temporary}
	case o.Status == http.StatusUnauthorized, o.Status == http.StatusForbidden:
		return Diagnosis{
			Cause: "The backend refuses the admin key, or what it may do, by its status." + unlisted,
			Fix:   []string{at.Run("platform", "doctor") + " (compares name and secret with the backend's)", useBackendURL, at.readBackendLog()}, Retry: RetryNo, Exit: exit.NoPermission,
		}
	case o.Status == http.StatusConflict:
		return Diagnosis{
			Cause: "Something else changes the deployment at the same moment, by the backend's status." + unlisted,
			Fix:   []string{at.oneDeployer(), logRefusals, at.readBackendLog()}, Retry: RetryRedo, Pace: PaceBrief, Exit: exit.Temporary,
		}
	case passing(o):
		return Diagnosis{
			Cause: "The backend has trouble of its own, or too much to do, by its status; the input is not at fault." + unlisted,
			Fix:   []string{at.readBackendLog(), at.Load("convex", "db"), at.Set("RUST_LOG=debug", "convex") + " (makes the backend say more)"}, Retry: RetrySame, Pace: PaceLoad, Exit: exit.Temporary,
		}
	case o.Code == "" && o.Status != 0:
		return Diagnosis{
			Cause: "What answers at CONVEX_URL refuses the request without a code of the backend: mostly something between, or no backend at all." + unlisted,
			Fix:   []string{useBackendURL, at.Run("platform", "doctor"), at.readBackendLog()}, Retry: RetryNo, Exit: exit.DeployRefused,
		}
	}
	return Diagnosis{
		Cause: "The backend refuses what is pushed: something in the app's functions, schema or configuration, or a package convex that is newer than the backend." + unlisted,
		Fix: []string{"correct what the words above name, and build the image again", at.Run("platform", "version") + " (the package convex and the backend should be of about the same age)",
			logRefusals, at.readBackendLog()},
		Retry: RetryNo, Exit: exit.DeployRefused,
	}
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
