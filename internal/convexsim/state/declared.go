package state

import (
	"maps"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/convexsim/bundle"
	"github.com/tale-project/tale-runtime/internal/convexsim/protocol"
)

// What an app declares about its variables binds both who changes a variable and
// who pushes, in backends of 2026-08 (crates/application/src/lib.rs,
// update_environment_variables, and deploy_config.rs, finish_push, of commit
// 94a42c3d).

func (s *State) checkDeclared(changes []EnvChange) error {
	declared := s.Definitions[""].Modules[bundle.ConfigModule].Declares
	var blocked []string
	set := map[string]string{}
	for _, change := range changes {
		if change.Value != nil {
			set[change.Name] = *change.Value
		} else if slices.ContainsFunc(declared, func(d bundle.EnvDeclaration) bool { return d.Name == change.Name && !d.Optional }) {
			blocked = append(blocked, change.Name)
		}
	}
	if len(blocked) > 0 {
		slices.Sort(blocked)
		return protocol.BadRequest("RequiredEnvironmentVariable",
			"Cannot delete required environment variables: %s. These are declared as required in the app definition.", strings.Join(blocked, ", "))
	}
	return checkValues(declared, set)
}

func checkValues(declared []bundle.EnvDeclaration, environment map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		for _, d := range declared {
			if d.Name != name {
				continue
			}
			if err := d.Check(environment[name]); err != nil {
				return protocol.BadRequest("InvalidEnvironmentVariable",
					"Environment variable %s does not match its declared validator: %v", name, err)
			}
		}
	}
	return nil
}

// CheckPushed refuses to finish a push to an environment that is not as its app
// declares.
func CheckPushed(app map[string]Module, environment map[string]string) error {
	declared := app[bundle.ConfigModule].Declares
	var missing []string
	for _, d := range declared {
		if _, set := environment[d.Name]; !set && !d.Optional {
			missing = append(missing, d.Name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return protocol.BadRequest("MissingEnvironmentVariables",
			"Required environment variables are not set: %s. Set them in the Convex dashboard or CLI before pushing.", strings.Join(missing, ", "))
	}
	return checkValues(declared, environment)
}
