package backend

// Stage is one step of a push, named after the route that does it. The same names
// appear in the log, the boot report, the metrics and docs/diagnostics.md.
type Stage string

// The stages in the order in which they occur.
const (
	StageCheckAdminKey   Stage = "check_admin_key"
	StageListEnv         Stage = "list_environment_variables"
	StageUpdateEnv       Stage = "update_environment_variables"
	StageBundle          Stage = "bundle" // no request: the CLI bundles, or the request file is read
	StageGetConfigHashes Stage = "get_config_hashes"
	StageEvaluateSchema  Stage = "evaluate_schema" // CLI 1.48 and newer; most backends answer 404
	StageEvaluatePush    Stage = "evaluate_push"
	StageStartPush       Stage = "start_push"
	StageWaitForSchema   Stage = "wait_for_schema"
	StageFinishPush      Stage = "finish_push"
	StageRunFunction     Stage = "run_function"
)

var stagePaths = map[Stage]string{
	StageCheckAdminKey:   "/api/check_admin_key",
	StageListEnv:         "/api/list_environment_variables",
	StageUpdateEnv:       "/api/update_environment_variables",
	StageGetConfigHashes: "/api/get_config_hashes",
	StageEvaluateSchema:  "/api/deploy2/evaluate_schema",
	StageEvaluatePush:    "/api/deploy2/evaluate_push",
	StageStartPush:       "/api/deploy2/start_push",
	StageWaitForSchema:   "/api/deploy2/wait_for_schema",
	StageFinishPush:      "/api/deploy2/finish_push",
	StageRunFunction:     "/api/function",
}

// Path returns the route of the stage, or "" for a stage without a request.
func (s Stage) Path() string { return stagePaths[s] }

// StageOfPath returns the stage that a request path belongs to, and false for a
// path that is no part of a push.
func StageOfPath(path string) (Stage, bool) {
	for stage, known := range stagePaths {
		if known == path {
			return stage, true
		}
	}
	return "", false
}
