package platform

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tale-project/tale-runtime/internal/config"
	"github.com/tale-project/tale-runtime/internal/exit"
	"github.com/tale-project/tale-runtime/internal/testkit"
)

func TestLoadDefaults(t *testing.T) {
	s, err := Load(base())
	if err != nil {
		t.Fatal(err)
	}
	if s.Backend.ConvexURL != "http://convex:3210" || s.Deploy.Timeout.Seconds() != 300 || s.Web.Port != 3000 ||
		s.Deploy.Attempts != 4 || s.Web.Drain.Seconds() != 6 || s.Boot.StatusAddr != ":9180" {
		t.Errorf("got %+v", s)
	}
}

func TestLoadReportsEveryProblem(t *testing.T) {
	canary := strings.Repeat("c", 63)
	_, err := Load(config.Environ{
		"INSTANCE_SECRET": canary, "CONVEX_URL": "convex:3210", "CONVEX_DEPLOY_TIMEOUT": "soon", "PORT": "70000",
		"CONVEX_DEPLOY_DRIVER": "magic", "INSTANCE_NAME": "a:b", "CONVEX_DEPLOY_ATTEMPTS": "0", "TALE_LOG_FORMAT": "xml",
		"STATUS_ADDR": "here", "CONVEX_STORAGE": "", "DB_PORT": "x", "SOPS_AGE_KEY": "k", "SOPS_AGE_KEY_FILE": "/k", "CONVEX_ENV_SYNC_EXTRA": "GOOD, POSTGRES_URL",
	})
	var problems config.Problems
	if !errors.As(err, &problems) || exit.Code(err) != exit.Config {
		t.Fatalf("got %v", err)
	}
	var names []string
	for _, p := range problems {
		names = append(names, p.Variable)
	}
	slices.Sort(names)
	want := []string{"CONVEX_DEPLOY_ATTEMPTS", "CONVEX_DEPLOY_DRIVER", "CONVEX_DEPLOY_TIMEOUT", "CONVEX_ENV_SYNC_EXTRA", "CONVEX_URL", "DB_PORT",
		"INSTANCE_NAME", "INSTANCE_SECRET", "PORT", "POSTGRES_URL", "SITE_URL", "STATUS_ADDR", "TALE_LOG_FORMAT"}
	if !slices.Equal(names, want) {
		t.Errorf("problems of %v\nwant        %v", names, want)
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("the secret is shown: %v", err)
	}
}

func TestPostgresURLMustBeTheBackendsToo(t *testing.T) {
	for _, url := range []string{"postgresql://tale:p%ss@db:5432", "postgresql://tale:pass@db:5432/tale"} {
		_, err := Load(base("CONVEX_STORAGE=postgres", "POSTGRES_URL="+url, "RAG_DATABASE_URL=x"))
		if exit.Code(err) != exit.Config || strings.Contains(err.Error(), "ss@db") {
			t.Errorf("got %v", err)
		}
	}
}

// Two listeners of one container on one port are both named, before anything begins.
func TestPortsOfOneContainer(t *testing.T) {
	c := start(t, environ(t, "http://"+testkit.FreeAddress(t), "PORT=3000", "STATUS_ADDR=:3000"))
	if code := c.Wait(); code != exit.Config || !c.Says("STATUS_ADDR :3000 has the port of PORT (3000)") {
		t.Errorf("exit code %d", code)
	}
}
