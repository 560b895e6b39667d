package backend

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Network is what listens where, and what functions call it.
type Network struct {
	BackendPort int    `env:"CONVEX_BACKEND_PORT" tier:"advanced" envDefault:"3210" doc:"Port of the backend API." accept:"a port from 1 to 65535"`
	SitePort    int    `env:"CONVEX_SITE_PROXY_PORT" tier:"advanced" envDefault:"3211" doc:"Port of the HTTP actions." accept:"a port from 1 to 65535"`
	Interface   string `env:"CONVEX_INTERFACE" tier:"advanced" envDefault:"0.0.0.0" doc:"IPv4 address the backend and the dashboard listen on. The backend calls itself on 127.0.0.1, so another address breaks HTTP actions." accept:"0.0.0.0 or 127.0.0.1"`
	CloudOrigin string `env:"CONVEX_CLOUD_ORIGIN" tier:"advanced" doc:"Origin of the backend as functions see it: CONVEX_CLOUD_URL, storage URLs, callbacks of node actions. Default: the loopback address, which always works from inside; Tale's functions make public URLs from SITE_URL themselves." accept:"an absolute URL without a trailing /"`
	SiteOrigin  string `env:"CONVEX_SITE_ORIGIN" tier:"advanced" doc:"Origin of the HTTP actions as functions see it: CONVEX_SITE_URL, the issuer of tokens. Default: the loopback address." accept:"an absolute URL without a trailing /"`
}

// Settings say how convex-local-backend is run.
type Settings struct {
	Command config.Command `env:"CONVEX_BACKEND_COMMAND" tier:"advanced" envDefault:"convex-local-backend" doc:"Command that starts the backend; it is split like a shell does, without a shell. Its arguments are added." accept:"a command line"`
	stack.Wait
	RestartBudget int `env:"CONVEX_RESTART_BUDGET" tier:"advanced" envDefault:"10" doc:"Restarts of the backend within an hour; when they are used up, the container ends with the backend's last exit code." accept:"0 or more"`
	stack.StopTimeout
	stack.StopGrace
	Version string `env:"CONVEX_RELEASE_VERSION_DEV" tier:"advanced" doc:"Version that the backend reports at /version; the published backend images report none. With it a downgrade is refused before it starts."`
	TempDir string `env:"TMPDIR" tier:"advanced" doc:"The backend's folder for temporary files. Default: convex/tmp in the data folder."`
}

// Validate reports ports, addresses and origins that cannot be used.
func (n Network) Validate() config.Problems {
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

// Validate reports a backend that cannot be run.
func (s Settings) Validate() config.Problems {
	var problems config.Problems
	if len(s.Command) == 0 {
		problems = config.Problems{{Variable: "CONVEX_BACKEND_COMMAND", Wrong: "is empty", Accepted: "a command line"}}
	}
	if s.RestartBudget < 0 {
		problems = append(problems, config.Problem{Variable: "CONVEX_RESTART_BUDGET", Wrong: fmt.Sprintf("%d is negative", s.RestartBudget), Accepted: "0 or more"})
	}
	return problems
}
