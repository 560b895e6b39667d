package platform

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/tale-project/tale-runtime/internal/cli"
	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestMain(m *testing.M) {
	os.Exit(testkit.Main(m, map[string]func() int{
		"entrypoint": func() int {
			environ := config.FromOS()
			environ[testkit.RoleVariable] = "web"
			return cli.Main(Command(environ))
		},
		"web": webRole,
	}))
}

// webRole returns a web server as the platform's: it prints WEB_SAYS, and has a health
// route that answers 503 while the shutting-down marker is there, or WEB_STATUS if that is
// set, and a gentle end on SIGTERM.
func webRole() int {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	failed := make(chan error, 1)
	fmt.Print(os.Getenv("WEB_SAYS"))
	marker := filepath.Join(os.Getenv("TALE_RUN_DIR"), "platform-shutting-down")
	go func() {
		failed <- http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if _, err := os.Stat(marker); err == nil {
				w.WriteHeader(http.StatusServiceUnavailable)
			} else if status, err := strconv.Atoi(os.Getenv("WEB_STATUS")); err == nil {
				w.WriteHeader(status)
			}
		}))
	}()
	select {
	case <-stop:
		fmt.Println("web server stops")
		return 0
	case err := <-failed:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
}
