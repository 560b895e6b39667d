package state

import (
	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// CheckAuth refuses an auth.config that reads a variable which is not set. A
// default in the source (process.env.X ?? "…") does not help: reading is enough.
func CheckAuth(module Module, environment map[string]string) error {
	for _, name := range module.Variables {
		if _, ok := environment[name]; ok || name == CloudURLVariable || name == SiteURLVariable {
			continue
		}
		return protocol.BadRequest("AuthConfigMissingEnvironmentVariable",
			"Environment variable %s is used in auth config file but its value was not set", name)
	}
	return nil
}

// reevaluateAuth does what the backend does after every change of the environment.
func (s *State) reevaluateAuth() error {
	module, ok := s.Definitions[""].Modules[bundle.AuthModule]
	if !ok {
		return nil
	}
	return CheckAuth(module, s.Environment)
}
