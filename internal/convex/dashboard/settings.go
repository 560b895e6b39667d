package dashboard

import (
	"fmt"
	"regexp"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Settings say how the Convex dashboard is run.
type Settings struct {
	Command  config.Command `env:"CONVEX_DASHBOARD_COMMAND" tier:"advanced" envDefault:"node /dashboard/server.js" empty:"keep" doc:"Command that starts the dashboard; it is split like a shell does, without a shell." accept:"a command; empty runs no dashboard"`
	Port     int            `env:"CONVEX_DASHBOARD_PORT" tier:"advanced" envDefault:"6791" doc:"Port of the dashboard." accept:"a port from 1 to 65535"`
	BasePath string         `env:"DASHBOARD_BASE_PATH" tier:"advanced" envDefault:"/convex-dashboard" doc:"Path the dashboard is served under. It is set at image build by patch-dashboard; at run time it is only where the dashboard is asked whether it answers." accept:"a path that begins with / and does not end with it"`
	Output   bool           `env:"CONVEX_DASHBOARD_OUTPUT" tier:"advanced" doc:"Log what the dashboard prints; without it only its last lines are shown when it dies."`
}

// Validate reports settings that the dashboard cannot run with. Without a command
// there is none.
func (s Settings) Validate() config.Problems {
	if len(s.Command) == 0 {
		return nil
	}
	problems := config.CheckPort("CONVEX_DASHBOARD_PORT", s.Port)
	if err := checkBasePath(s.BasePath); err != nil {
		problems = append(problems, config.Problem{Variable: "DASHBOARD_BASE_PATH", Wrong: err.Error(), Accepted: basePathAccepted})
	}
	return problems
}

const basePathAccepted = "a path such as /convex-dashboard: it begins with / and does not end with it"

var basePathForm = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func checkBasePath(path string) error {
	if !basePathForm.MatchString(path) {
		return fmt.Errorf("%q is not such a path", path)
	}
	return nil
}
