package docs_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/convex"
	"github.com/tale-project/tale-runtime/internal/convexsim"
	"github.com/tale-project/tale-runtime/internal/platform"
	"github.com/tale-project/tale-runtime/internal/proxy"
)

// roleVariable makes the test binary play one of the programs, so that the
// documentation is compared with what real processes say.
const roleVariable = "TALE_TEST_ROLE"

func TestMain(m *testing.M) {
	environ := config.FromOS()
	role := environ[roleVariable]
	switch role {
	case "":
		os.Exit(m.Run())
	case "convex":
		os.Exit(cli.Main(convex.Command(environ)))
	case "platform":
		environ[roleVariable] = "web"
		os.Exit(cli.Main(platform.Command(environ)))
	case "proxy":
		os.Exit(proxy.Main(append([]string{"proxy"}, os.Args[1:]...)))
	case "backend":
		os.Exit(cli.Main(convexsim.Command()))
	case "web":
		err := http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintf(os.Stderr, "unknown role %q\n", role)
	os.Exit(1)
}
