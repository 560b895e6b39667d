package convexsim

import (
	"net/http"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/fault"
	"github.com/tale-project/tale-runtime/internal/convexsim/runner"
)

const syncPath = "/api/{client_version}/sync"

// socketVersion returns the client version that the path of a sync WebSocket has.
func socketVersion(r *http.Request) string {
	version, ok := route{path: syncPath}.match(r.URL.Path)
	if !ok {
		return ""
	}
	return version
}

// apiRoutes returns the routes of the API port, as far as it is simulated (crates/local_backend/src/router.rs).
func (s *Server) apiRoutes() []route {
	routes := []route{
		{http.MethodGet, "/version", fault.StageVersion, s.handleVersion},
		{http.MethodGet, "/metrics", "", s.handleMetrics},
		{http.MethodGet, "/instance_version", fault.StageVersion, s.handleVersion},
		{http.MethodGet, "/instance_name", fault.StageName, s.handleInstanceName},
		{http.MethodGet, "/", "", handleGreeting},
		{http.MethodPost, "/echo", "", handleEcho},

		{http.MethodGet, "/api/check_admin_key", fault.StageCheckKey, s.handleCheckAdminKey},
		{http.MethodPost, "/api/update_environment_variables", fault.StageEnvUpdate, s.handleEnvUpdate},
		{http.MethodPost, "/api/v1/update_environment_variables", fault.StageEnvUpdate, s.handleEnvUpdate},
		{http.MethodGet, "/api/list_environment_variables", fault.StageEnvList, s.handleEnvList},
		{http.MethodGet, "/api/v1/list_environment_variables", fault.StageEnvList, s.handleEnvList},

		{http.MethodPost, "/api/v1/pause_deployment", "", s.handlePause(true)},
		{http.MethodPost, "/api/v1/unpause_deployment", "", s.handlePause(false)},

		{http.MethodPost, "/api/get_config_hashes", fault.StageHashes, s.handleHashes},
		{http.MethodPost, "/api/deploy2/evaluate_push", fault.StageEvalPush, s.handleEvaluatePush},
		{http.MethodPost, "/api/deploy2/start_push", fault.StageStartPush, s.handleStartPush},
		{http.MethodPost, "/api/deploy2/wait_for_schema", fault.StageWaitSchema, s.handleWaitForSchema},
		{http.MethodPost, "/api/deploy2/finish_push", fault.StageFinishPush, s.handleFinishPush},
		{http.MethodPost, "/api/deploy2/report_push_completed", fault.StageReport, s.handleReport},

		{http.MethodPost, "/api/function", fault.StageFunction, s.handleFunction},
		{http.MethodPost, "/api/run/{*function}", fault.StageFunction, s.handleFunction},
		{http.MethodPost, "/api/query", fault.StageFunction, s.handleKind(runner.Query)},
		{http.MethodPost, "/api/mutation", fault.StageFunction, s.handleKind(runner.Mutation)},
		{http.MethodPost, "/api/action", fault.StageFunction, s.handleKind(runner.Action)},
		{http.MethodPost, "/api/run_test_function", fault.StageTestFunction, s.handleTestFunction},
		{http.MethodGet, "/api/stream_function_logs", "", s.handleFunctionLogs},
		{http.MethodGet, "/api/sync", fault.StageSync, s.handleSync},
		{http.MethodGet, syncPath, fault.StageSync, s.handleSync},
		{http.MethodGet, "/api/v1/get_canonical_urls", fault.StageCanonicalURLs, s.handleCanonicalURLs},

		{http.MethodPost, "/api/storage/upload", fault.StageUpload, s.handleUpload},
		{http.MethodGet, "/api/storage/{storage_id}", fault.StageDownload, s.handleDownload},
		{http.MethodPost, "/api/actions/{*callback}", fault.StageCallback, handleCallback},
	}
	if s.options.EvaluateSchema {
		routes = append(routes, route{http.MethodPost, "/api/deploy2/evaluate_schema", fault.StageEvalSchema, s.handleEvaluateSchema})
	}
	for method := range strings.FieldsSeq(httpActionMethods) {
		routes = append(routes,
			route{method, httpPrefix + "/", fault.StageHTTPAction, s.handleHTTPAction},
			route{method, httpPrefix + "/{*rest}", fault.StageHTTPAction, s.handleHTTPAction})
	}
	return routes
}
