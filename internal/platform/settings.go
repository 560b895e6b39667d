package platform

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/entrypoint"
	"github.com/tale-project/tale-runtime/internal/stack"
)

// Settings are the variables that the platform container reads.
type Settings struct {
	entrypoint.Settings
	Instance stack.Instance
	Backend  BackendSettings
	Deploy   DeploySettings
	Web      WebSettings
	Pushed   VariableSettings
	Extra    stack.ExtraSites
	stack.Release
}

// BackendSettings say which Convex backend to use.
type BackendSettings struct {
	ConvexURL string `env:"CONVEX_URL" tier:"advanced" envDefault:"http://convex:3210" doc:"Where the Convex backend answers." accept:"an absolute URL such as http://convex:3210"`
	stack.Wait
}

// DeploySettings say how the functions are pushed.
type DeploySettings struct {
	Driver      string `env:"CONVEX_DEPLOY_DRIVER" envDefault:"auto" doc:"What pushes the functions: native (from a prepared request), cli (the app's convex CLI), auto (native where a request exists)." accept:"auto, native, cli"`
	PushRequest string `env:"CONVEX_PUSH_REQUEST" tier:"advanced" envDefault:"/app/push-request.json" doc:"The push request that the image build prepared."`
	CLISettings
	AppDir         string        `env:"CONVEX_APP_DIR" tier:"advanced" envDefault:"/app" doc:"Folder of the app: package.json, convex/ and the web server."`
	Timeout        time.Duration `env:"CONVEX_DEPLOY_TIMEOUT" envDefault:"300" doc:"Limit of one push. While indexes are built it counts the time without progress."`
	Max            time.Duration `env:"CONVEX_DEPLOY_MAX" tier:"advanced" envDefault:"30m" doc:"Hard limit of one push, index building included."`
	Attempts       int           `env:"CONVEX_DEPLOY_ATTEMPTS" envDefault:"4" doc:"How often a push is tried when it fails for a passing reason." accept:"a whole number from 1"`
	ForcePush      bool          `env:"CONVEX_FORCE_PUSH" envDefault:"false" doc:"Push even when the backend already has everything, and send every module with its source: it makes up for packages that the backend has lost."`
	RunAfterDeploy string        `env:"CONVEX_RUN_AFTER_DEPLOY" tier:"operator" doc:"Function to run after a deploy. Default: migrations:runAll where the push request has it, which the log says; off for none. Its failure is reported and not fatal." accept:"module:function; off"`
	EnvSyncExtra   []string      `env:"CONVEX_ENV_SYNC_EXTRA" tier:"operator" doc:"Names of further variables to push, comma separated. One that is not set or empty is taken out of the deployment, with a warning." accept:"variable names, comma separated"`
}

// CLISettings say which convex CLI bundles the functions: at boot, for the CLI
// driver, or when the image is built.
type CLISettings struct {
	CLI config.Command `env:"CONVEX_CLI" tier:"advanced" doc:"Command of the convex CLI; by default that of the package convex which the app gets (node_modules of its folder or of one above it), run by bun or node."`
}

// WebSettings say how the web server runs and stops.
type WebSettings struct {
	Command config.Command `env:"WEB_COMMAND" tier:"advanced" envDefault:"bun server.ts" doc:"Command of the web server, run in CONVEX_APP_DIR without a shell."`
	Port    int            `env:"PORT" tier:"advanced" envDefault:"3000" doc:"Port the web server listens on." accept:"a port from 1 to 65535"`
	Drain   time.Duration  `env:"SHUTDOWN_DRAIN_SECONDS" tier:"advanced" envDefault:"6" doc:"How long the web server keeps serving after a stop was asked for, so that the proxy moves away first."`
	stack.StopTimeout
	Colour string `env:"TALE_COLOUR" tier:"advanced" doc:"Colour of this container in a blue/green deployment. The proxy spreads requests over containers of one TALE_VERSION, unless their colours differ: then the newest colour gets them all."`
}

// Load reads the settings; the error lists every problem.
func Load(environ config.Environ) (*Settings, error) {
	settings := &Settings{}
	err := config.Load(settings, environ)
	settings.normalize()
	return settings, err
}

func (s *Settings) normalize() {
	s.Backend.ConvexURL = strings.TrimRight(strings.TrimSpace(s.Backend.ConvexURL), "/")
	for i, name := range s.Deploy.EnvSyncExtra {
		s.Deploy.EnvSyncExtra[i] = strings.TrimSpace(name)
	}
	s.Deploy.EnvSyncExtra = slices.DeleteFunc(s.Deploy.EnvSyncExtra, func(name string) bool { return name == "" })
}

// Validate checks what types alone cannot.
func (s *Settings) Validate() config.Problems {
	problems := config.CheckHTTPURL("CONVEX_URL", strings.TrimSpace(s.Backend.ConvexURL))
	problems = append(problems, s.Deploy.check()...)
	if s.Boot.StatusPort() == s.Web.Port {
		problems = append(problems, config.Problem{Variable: "STATUS_ADDR", Wrong: fmt.Sprintf("%s has the port of PORT (%d), on which the web server listens", s.Boot.StatusAddr, s.Web.Port), Accepted: "a port of its own, such as :9180"})
	}
	return append(problems, config.CheckPort("PORT", s.Web.Port)...)
}

func (d DeploySettings) check() config.Problems {
	problems := config.CheckOneOf("CONVEX_DEPLOY_DRIVER", d.Driver, "auto", "native", "cli")
	if d.Attempts < 1 {
		problems = append(problems, config.Problem{Variable: "CONVEX_DEPLOY_ATTEMPTS", Wrong: fmt.Sprintf("%d is too small", d.Attempts)})
	}
	if d.Timeout <= 0 {
		problems = append(problems, config.Problem{Variable: "CONVEX_DEPLOY_TIMEOUT", Wrong: "is 0"})
	}
	if d.Max < d.Timeout {
		problems = append(problems, config.Problem{Variable: "CONVEX_DEPLOY_MAX", Wrong: fmt.Sprintf("%s is less than CONVEX_DEPLOY_TIMEOUT (%s), the limit of each part of it", d.Max, d.Timeout), Accepted: "at least CONVEX_DEPLOY_TIMEOUT"})
	}
	for _, name := range d.EnvSyncExtra {
		problems = append(problems, checkExtra(strings.TrimSpace(name))...)
	}
	return problems
}

// variableName is what the backend takes for a name (convex-protocol 2.3).
var variableName = regexp.MustCompile(`^[a-zA-Z_]+[a-zA-Z0-9_]*$`)

// checkExtra refuses names that are pushed already, with a value that the
// environment does not have as it is, and the one secret that makes admin keys.
func checkExtra(name string) config.Problems {
	refuse := func(wrong string) config.Problems {
		return config.Problems{{Variable: "CONVEX_ENV_SYNC_EXTRA", Wrong: fmt.Sprintf("names %q, which %s", name, wrong), Accepted: "names of further variables, comma separated"}}
	}
	_, derived := derivedVariables()[name]
	switch {
	case name == "":
		return nil
	case !variableName.MatchString(name):
		return refuse("is not a variable name")
	case derived || slices.ContainsFunc(Variables(), func(v Variable) bool { return v.Name == name }):
		return refuse("is managed already")
	case strings.HasPrefix(name, "INSTANCE_SECRET"):
		return refuse("must not be given to functions")
	case name == "CONVEX_CLOUD_URL" || name == "CONVEX_SITE_URL":
		return refuse("is built into the backend")
	}
	return nil
}
