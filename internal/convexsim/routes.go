package convexsim

import "net/http"

// apiRoutes is the API port, as far as it is simulated (crates/local_backend/src/router.rs).
func (s *Server) apiRoutes() []route {
	return []route{
		{http.MethodGet, "/version", StageVersion, s.handleVersion},
		{http.MethodGet, "/instance_version", StageVersion, s.handleVersion},
		{http.MethodGet, "/instance_name", StageName, s.handleInstanceName},
		{http.MethodGet, "/", "", handleGreeting},
		{http.MethodPost, "/echo", "", handleEcho},

		{http.MethodGet, "/api/check_admin_key", StageCheckKey, s.handleCheckAdminKey},
		{http.MethodPost, "/api/update_environment_variables", StageEnvUpdate, s.handleEnvUpdate},
		{http.MethodPost, "/api/v1/update_environment_variables", StageEnvUpdate, s.handleEnvUpdate},
		{http.MethodGet, "/api/list_environment_variables", StageEnvList, s.handleEnvList},
		{http.MethodGet, "/api/v1/list_environment_variables", StageEnvList, s.handleEnvList},
	}
}
