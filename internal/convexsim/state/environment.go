package convexsim

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
)

// Limits of one environment variable, in bytes (crates/common/src/types/environment_variables.rs).
const (
	maxEnvName  = 40
	maxEnvValue = 8192
)

// Variables that the backend itself provides; they cannot be set.
const (
	cloudURLVariable = "CONVEX_CLOUD_URL"
	siteURLVariable  = "CONVEX_SITE_URL"
)

var envName = regexp.MustCompile(`^[a-zA-Z_]+[a-zA-Z0-9_]*$`)

// envChange is one entry of an update; a nil value deletes.
type envChange struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

// check applies the rules that need no knowledge of the other variables.
func (c envChange) check() error {
	if !envName.MatchString(c.Name) {
		return badRequest("EnvironmentVariableNameInvalid",
			"The environment variable name %s is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.", c.Name)
	}
	if len(c.Name) > maxEnvName {
		return badRequest("EnvironmentVariableNameTooLong",
			"The environment variable name %s is too long. Environment variable names must be less than %d.", c.Name, maxEnvName)
	}
	if c.Value != nil && len(*c.Value) > maxEnvValue {
		return badRequest("EnvironmentVariableValueTooLarge",
			"The environment variable value is %d bytes, which is too large. (max size: %d", len(*c.Value), maxEnvValue)
	}
	return nil
}

// compareChanges is the order in which the backend applies changes: deletes
// First, so that a set wins; then by name and value, so that of several sets the
// greatest value stays.
func compareChanges(a, b envChange) int {
	switch {
	case a.Value == nil && b.Value == nil:
		return cmp.Compare(a.Name, b.Name)
	case a.Value == nil:
		return -1
	case b.Value == nil:
		return 1
	}
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(*a.Value, *b.Value))
}

// handleEnvUpdate is POST /api/update_environment_variables: all changes or none.
func (s *Server) handleEnvUpdate(w http.ResponseWriter, r *http.Request) error {
	who, err := s.requestIdentity(r)
	if err != nil {
		return err
	}
	var request struct {
		Changes []envChange `json:"changes"`
	}
	if err := readJSON(r, defaultBodyLimit, &request); err != nil {
		return err
	}
	if request.Changes == nil {
		return missingField("changes")
	}
	if err := s.mustBeAdmin(who, true); err != nil {
		return err
	}
	for _, change := range request.Changes {
		if err := change.check(); err != nil {
			return err
		}
	}
	slices.SortFunc(request.Changes, compareChanges)
	if err := s.store.update(func(state *State) error { return s.applyEnv(state, request.Changes) }); err != nil {
		return err
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) applyEnv(state *State, changes []envChange) error {
	if state.Environment == nil {
		state.Environment = map[string]string{}
	}
	for _, change := range changes {
		if change.Value == nil {
			delete(state.Environment, change.Name)
			continue
		}
		if change.Name == cloudURLVariable || change.Name == siteURLVariable {
			return badRequest("EnvVarNameForbidden",
				"Environment variable with name %q is built-in and cannot be overridden", change.Name)
		}
		state.Environment[change.Name] = *change.Value
	}
	if len(state.Environment) > s.options.EnvLimit {
		return badRequest("EnvVarLimitMet", "The environment variable limit (%d) has been met.", s.options.EnvLimit)
	}
	return reevaluateAuth(state)
}

// handleEnvList is GET /api/list_environment_variables.
func (s *Server) handleEnvList(w http.ResponseWriter, r *http.Request) error {
	who, err := s.requestIdentity(r)
	if err != nil {
		return err
	}
	if err := s.mustBeAdmin(who, false); err != nil {
		return err
	}
	environment := s.store.view().Environment
	if environment == nil {
		environment = map[string]string{}
	}
	writeJSON(w, http.StatusOK, struct {
		EnvironmentVariables map[string]string `json:"environmentVariables"`
	}{environment})
	return nil
}
