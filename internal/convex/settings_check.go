package convex

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
)

// Validate reports everything that is wrong with the settings at once.
func (s *Settings) Validate() config.Problems {
	return slices.Concat(
		s.Network.check(),
		s.Backend.check(), s.checkPorts(),
	)
}

func (n Network) check() config.Problems {
	problems := config.CheckPort("CONVEX_BACKEND_PORT", n.BackendPort)
	problems = append(problems, config.CheckPort("CONVEX_SITE_PROXY_PORT", n.SitePort)...)
	problems = append(problems, config.CheckOneOf("CONVEX_INTERFACE", n.Interface, "0.0.0.0", "127.0.0.1")...)
	problems = append(problems, checkOrigin("CONVEX_CLOUD_ORIGIN", n.CloudOrigin)...)
	return append(problems, checkOrigin("CONVEX_SITE_ORIGIN", n.SiteOrigin)...)
}

// checkOrigin reports an origin that would give broken URLs: the backend puts
// paths right behind it.
func checkOrigin(variable, origin string) config.Problems {
	if origin == "" {
		return nil
	}
	if problems := config.CheckHTTPURL(variable, origin); len(problems) > 0 {
		return problems
	}
	u, err := url.Parse(origin)
	if err != nil || strings.HasSuffix(origin, "/") || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return config.Problems{{Variable: variable, Wrong: "has more than scheme, host and path, or ends with /", Accepted: "an absolute URL without a trailing /"}}
	}
	return nil
}

func (b Backend) check() config.Problems {
	var problems config.Problems
	if len(b.Command) == 0 {
		problems = config.Problems{{Variable: "CONVEX_BACKEND_COMMAND", Wrong: "is empty", Accepted: "a command line"}}
	}
	if b.RestartBudget < 0 {
		problems = append(problems, config.Problem{Variable: "CONVEX_RESTART_BUDGET", Wrong: fmt.Sprintf("%d is negative", b.RestartBudget), Accepted: "0 or more"})
	}
	return problems
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
