package state

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// Limits of one environment variable, in bytes (crates/common/src/types/environment_variables.rs).
const (
	MaxEnvName  = 40
	MaxEnvValue = 8192
)

// Variables that the backend itself provides; they cannot be set.
const (
	CloudURLVariable = "CONVEX_CLOUD_URL"
	SiteURLVariable  = "CONVEX_SITE_URL"
)

var envName = regexp.MustCompile(`^[a-zA-Z_]+[a-zA-Z0-9_]*$`)

// EnvChange is one entry of an update; a nil value deletes.
type EnvChange struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

// Check applies the rules that need no knowledge of the other variables.
func (c EnvChange) Check() error {
	if !envName.MatchString(c.Name) {
		return protocol.BadRequest("EnvironmentVariableNameInvalid",
			"The environment variable name %s is invalid. Environment variable names must begin with a letter and may only include characters a-z, A-Z, 0-9, and underscores.", c.Name)
	}
	if len(c.Name) > MaxEnvName {
		return protocol.BadRequest("EnvironmentVariableNameTooLong",
			"The environment variable name %s is too long. Environment variable names must be less than %d.", c.Name, MaxEnvName)
	}
	if c.Value != nil && len(*c.Value) > MaxEnvValue {
		return protocol.BadRequest("EnvironmentVariableValueTooLarge",
			"The environment variable value is %d bytes, which is too large. (max size: %d", len(*c.Value), MaxEnvValue)
	}
	return nil
}

// compareChanges orders changes as the backend applies changes: deletes
// first, so that a set wins; then by name and value, so that of several sets the
// greatest value stays.
func compareChanges(a, b EnvChange) int {
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

// ChangeEnvironment makes all changes or none; limit is how many variables there
// may be.
func (s *State) ChangeEnvironment(changes []EnvChange, limit int) error {
	if s.Environment == nil {
		s.Environment = map[string]string{}
	}
	if err := s.checkDeclared(changes); err != nil {
		return err
	}
	for _, change := range slices.SortedFunc(slices.Values(changes), compareChanges) {
		if change.Value == nil {
			delete(s.Environment, change.Name)
			continue
		}
		if change.Name == CloudURLVariable || change.Name == SiteURLVariable {
			return protocol.BadRequest("EnvVarNameForbidden",
				"Environment variable with name %q is built-in and cannot be overridden", change.Name)
		}
		s.Environment[change.Name] = *change.Value
	}
	if len(s.Environment) > limit {
		return protocol.BadRequest("EnvVarLimitMet", "The environment variable limit (%d) has been met.", limit)
	}
	return s.reevaluateAuth()
}
