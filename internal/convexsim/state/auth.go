package convexsim

import "github.com/tale-project/tale-runtime/internal/convexsim/bundle"

// checkAuth refuses an auth.config that reads a variable which is not set. A
// default in the source (process.env.X ?? "…") does not help: reading is enough.
func checkAuth(module Module, environment map[string]string) error {
	for _, name := range module.Variables {
		if _, ok := environment[name]; ok || name == cloudURLVariable || name == siteURLVariable {
			continue
		}
		return badRequest("AuthConfigMissingEnvironmentVariable",
			"Environment variable %s is used in auth config file but its value was not set", name)
	}
	return nil
}

// reevaluateAuth is what the backend does after every change of the environment.
func reevaluateAuth(state *State) error {
	module, ok := state.Definitions[""].Modules[bundle.AuthModule]
	if !ok {
		return nil
	}
	return checkAuth(module, state.Environment)
}
