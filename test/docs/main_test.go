package docs_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/convexsim/command"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

// TestMain lets the test binary play the programs, so that the documentation is
// compared with what real processes say.
func TestMain(m *testing.M) {
	environ := config.FromOS()
	os.Exit(testkit.Main(m, map[string]func() int{
		"convex":  func() int { return cli.Main(convex.Command(environ)) },
		"proxy":   func() int { return proxy.Main(append([]string{"proxy"}, os.Args[1:]...)) },
		"backend": func() int { return cli.Main(command.New()) },
		"platform": func() int {
			environ[testkit.RoleVariable] = "web"
			return cli.Main(platform.Command(environ))
		},
		"web": func() int {
			err := http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			fmt.Fprintln(os.Stderr, err)
			return 1
		},
	}))
}
