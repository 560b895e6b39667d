package convex

import (
	"fmt"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Validate reports everything that is wrong with the settings at once.
func (s *Settings) Validate() config.Problems {
	return s.checkPorts()
}

// checkPorts reports two listeners on one port, which would end as a puzzling
// "address in use" of whichever starts last.
func (s *Settings) checkPorts() config.Problems {
	taken := map[int]string{}
	var problems config.Problems
	claim := func(variable string, port int) {
		if other, double := taken[port]; double {
			problems = append(problems, config.Problem{Variable: variable, Wrong: fmt.Sprintf("%d is the port of %s too", port, other), Accepted: "a port of its own"})
		}
		taken[port] = variable
	}
	claim("CONVEX_BACKEND_PORT", s.Network.BackendPort)
	claim("CONVEX_SITE_PROXY_PORT", s.Network.SitePort)
	if len(s.Dashboard.Command) > 0 {
		claim("CONVEX_DASHBOARD_PORT", s.Dashboard.Port)
	}
	return problems
}
