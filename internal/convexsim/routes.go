package convexsim

import (
	"net/http"
	"strings"
)

const syncPath = "/api/{client_version}/sync"

// apiRoutes is the API port, as far as it is simulated (crates/local_backend/src/router.rs).
func (s *Server) apiRoutes() []route {
	routes := []route{
		{http.MethodGet, "/version", StageVersion, s.handleVersion},
		{http.MethodGet, "/metrics", "", s.handleMetrics},
		{http.MethodGet, "/instance_version", StageVersion, s.handleVersion},
		{http.MethodGet, "/instance_name", StageName, s.handleInstanceName},
		{http.MethodGet, "/", "", handleGreeting},
		{http.MethodPost, "/echo", "", handleEcho},

		{http.MethodGet, "/api/check_admin_key", StageCheckKey, s.handleCheckAdminKey},
		{http.MethodPost, "/api/update_environment_variables", StageEnvUpdate, s.handleEnvUpdate},
		{http.MethodPost, "/api/v1/update_environment_variables", StageEnvUpdate, s.handleEnvUpdate},
		{http.MethodGet, "/api/list_environment_variables", StageEnvList, s.handleEnvList},
		{http.MethodGet, "/api/v1/list_environment_variables", StageEnvList, s.handleEnvList},

		{http.MethodPost, "/api/get_config_hashes", StageHashes, s.handleHashes},
		{http.MethodPost, "/api/deploy2/evaluate_push", StageEvalPush, s.handleEvaluatePush},
		{http.MethodPost, "/api/deploy2/start_push", StageStartPush, s.handleStartPush},
		{http.MethodPost, "/api/deploy2/wait_for_schema", StageWaitSchema, s.handleWaitForSchema},
		{http.MethodPost, "/api/deploy2/finish_push", StageFinishPush, s.handleFinishPush},
		{http.MethodPost, "/api/deploy2/report_push_completed", StageReport, s.handleReport},

		{http.MethodPost, "/api/function", StageFunction, s.handleFunction},
		{http.MethodPost, "/api/run/{*function}", StageFunction, s.handleFunction},
		{http.MethodPost, "/api/query", StageFunction, s.handleQuery},
		{http.MethodPost, "/api/mutation", StageFunction, s.handleQuery},
		{http.MethodPost, "/api/action", StageFunction, s.handleQuery},
		{http.MethodGet, "/api/sync", StageSync, s.handleSync},
		{http.MethodGet, syncPath, StageSync, s.handleSync},
		{http.MethodGet, "/api/v1/get_canonical_urls", StageCanonicalURLs, s.handleCanonicalURLs},

		{http.MethodPost, "/api/storage/upload", StageUpload, s.handleUpload},
		{http.MethodGet, "/api/storage/{storage_id}", StageDownload, s.handleDownload},
		{http.MethodPost, "/api/actions/{*callback}", StageCallback, handleCallback},
	}
	if s.options.EvaluateSchema {
		routes = append(routes, route{http.MethodPost, "/api/deploy2/evaluate_schema", StageEvalSchema, s.handleEvaluateSchema})
	}
	for method := range strings.FieldsSeq(httpActionMethods) {
		routes = append(routes,
			route{method, httpPrefix + "/", StageHTTPAction, s.handleHTTPAction},
			route{method, httpPrefix + "/{*rest}", StageHTTPAction, s.handleHTTPAction})
	}
	return routes
}
