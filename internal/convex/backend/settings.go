package backend

import (
	"fmt"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Settings say how convex-local-backend is run.
type Settings struct {
	Command config.Command `env:"CONVEX_BACKEND_COMMAND" tier:"advanced" envDefault:"convex-local-backend" doc:"Command that starts the backend; it is split like a shell does, without a shell. Its arguments are added." accept:"a command line"`
	stack.Wait
	RestartBudget int `env:"CONVEX_RESTART_BUDGET" tier:"advanced" envDefault:"10" doc:"Restarts of the backend within an hour; when they are used up, the container ends with the backend's last exit code." accept:"0 or more"`
	stack.StopTimeout
	stack.StopGrace
	Version    string `env:"CONVEX_RELEASE_VERSION_DEV" tier:"advanced" doc:"Version that the backend reports at /version; the published backend images report none. With it a downgrade is refused before it starts."`
	RedactLogs bool   `env:"REDACT_LOGS_TO_CLIENT" tier:"operator" doc:"Keep the messages and logs of functions from clients: they see Server Error and a request id, the details are in the dashboard and the backend's log." accept:"true, false"`
	TempDir    string `env:"TMPDIR" tier:"advanced" doc:"The backend's folder for temporary files. Default: convex/tmp in the data folder."`
}

// Validate reports a backend that cannot be run.
func (s Settings) Validate() config.Problems {
	var problems config.Problems
	if len(s.Command) == 0 {
		problems = config.Problems{{Variable: "CONVEX_BACKEND_COMMAND", Wrong: "is empty"}}
	}
	if s.RestartBudget < 0 {
		problems = append(problems, config.Problem{Variable: "CONVEX_RESTART_BUDGET", Wrong: fmt.Sprintf("%d is negative", s.RestartBudget)})
	}
	return problems
}
