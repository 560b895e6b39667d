package diagnosis

import (
	"net/http"

	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/push/backend"
)

func deployStages() []backend.Stage {
	return []backend.Stage{backend.StageEvaluateSchema, backend.StageEvaluatePush, backend.StageStartPush, backend.StageWaitForSchema, backend.StageFinishPush}
}

// statusRows returns the answers without a code: the backend's own for unknown routes and
// its time limit, and those of whatever stands between.
func (at advisor) statusRows() []row { return append(at.routeRows(), at.betweenRows()...) }

// useBackendURL is the fix for everything that stands between us and the backend.
const useBackendURL = "let CONVEX_URL name the backend itself (http://convex:3210)"

func refuse(r row) row {
	r.retry, r.exit = RetryNo, exit.DeployRefused
	return r
}

// routeRows returns the backend's own answers without a code.
func (at advisor) routeRows() []row {
	return []row{
		refuse(row{
			statuses: []int{http.StatusNotFound, http.StatusMethodNotAllowed},
			stages:   deployStages(),
			cause:    "The backend does not know this step of a push: the convex CLI is newer than the backend, or CONVEX_URL names the port of HTTP actions (3211).",
			fix:      []string{"use the release of the package convex that fits the backend image (1.32.0 for February 2026)", useBackendURL, at.Run("platform", "doctor")},
		}),
		refuse(row{
			statuses: []int{http.StatusNotFound, http.StatusMethodNotAllowed},
			stages:   []backend.Stage{backend.StageListEnv, backend.StageUpdateEnv},
			cause:    "The backend does not know this route: it is older than August 2025, or CONVEX_URL names the port of HTTP actions (3211) or the website.",
			fix:      []string{useBackendURL, "update the backend image"},
		}),
		refuse(row{
			statuses: []int{http.StatusNotFound, http.StatusMethodNotAllowed},
			cause:    "What answers at CONVEX_URL does not know this route of a Convex backend: it is the port of HTTP actions (3211), the website, or something else.",
			fix:      []string{useBackendURL, at.Run("platform", "doctor")},
		}),
		{
			statuses: []int{http.StatusRequestTimeout},
			stages:   []backend.Stage{backend.StageEvaluatePush, backend.StageStartPush},
			cause:    "The backend gave up on the request after its own limit (HTTP_SERVER_TIMEOUT_SECONDS, 300 s; newer backends log such a request with status 499); mostly it was installing the external packages of \"use node\" functions.",
			fix:      []string{at.Log("convex") + " | grep -i npm", at.Set("HTTP_SERVER_TIMEOUT_SECONDS=900", "convex") + "; and a CONVEX_DEPLOY_TIMEOUT above it"},
			retry:    RetryRedo, pace: PaceLoad, exit: exit.Temporary,
		},
		{
			statuses: []int{http.StatusRequestTimeout},
			cause:    "The backend gave up on the request after its own limit (HTTP_SERVER_TIMEOUT_SECONDS, 300 s; newer backends log such a request with status 499).",
			fix:      []string{at.readBackendLog(), at.Load("convex", "db"), at.Set("HTTP_SERVER_TIMEOUT_SECONDS=900", "convex")},
			retry:    RetryRedo, pace: PaceLoad, exit: exit.Temporary,
		},
	}
}

// betweenRows returns the answers of a proxy or of another server.
func (at advisor) betweenRows() []row {
	return []row{
		refuse(row{
			statuses: []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect},
			cause:    "CONVEX_URL leads to something that redirects, such as the public site; the admin key is not sent along.",
			fix:      []string{useBackendURL},
		}),
		refuse(row{
			statuses: []int{http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
			cause:    "Something before the backend refuses the request for its size or its encoding.",
			fix:      []string{useBackendURL},
		}),
		refuse(row{
			statuses: []int{http.StatusMisdirectedRequest},
			cause:    "The server that answers is not responsible for the host name in CONVEX_URL.",
			fix:      []string{useBackendURL},
		}),
		{
			statuses: []int{http.StatusUnauthorized, http.StatusForbidden},
			cause:    "Something before the backend asks for a sign-in of its own: the backend's refusals carry a code.",
			fix:      []string{useBackendURL},
			retry:    RetryNo, exit: exit.NoPermission,
		},
		{
			statuses: []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
			cause:    "A proxy at CONVEX_URL has no backend behind it at the moment.",
			fix:      []string{at.State("convex"), at.readBackendLog(), useBackendURL},
			retry:    RetryRedo, pace: PaceRestart, exit: exit.Temporary,
		},
	}
}
